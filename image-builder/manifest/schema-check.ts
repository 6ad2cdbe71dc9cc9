/**
 * Checks a document against a JSON Schema and words the first problem for its author.
 *
 * It knows the keywords that our schemas use and refuses others, so no rule is skipped in silence. It
 * exists beside TypeBox's own checker for two reasons: a message needs the sentence of the right level
 * (`errorMessage`), and loading TypeBox takes longer than the rest of an unchanged build. A property
 * test holds the two to the same verdicts.
 */
import {
  type DocumentPath,
  documentError,
  type PositionedDocument,
} from "./positioned-document.ts";
import { nearestWord } from "./spelling.ts";

/** The keywords of JSON Schema that are understood. */
export interface JsonSchema {
  readonly type?: string;
  readonly const?: unknown;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: JsonSchema;
  readonly minItems?: number;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly patternProperties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  /** Completes the sentence `"KEY" ...`; speaks for everything below that has none of its own. */
  readonly errorMessage?: string;
  readonly description?: string;
}

const UNDERSTOOD = new Set([
  "type",
  "const",
  "pattern",
  "minLength",
  "minimum",
  "maximum",
  "items",
  "minItems",
  "properties",
  "patternProperties",
  "required",
  "additionalProperties",
  "anyOf",
  "oneOf",
  "errorMessage",
  "description",
  "title",
  "$schema",
]);

/** The first thing that is wrong. */
interface SchemaProblem {
  readonly kind: "unknown-key" | "value";
  readonly path: DocumentPath;
  /** Completes the sentence `"KEY" ...`; for an unknown key its known neighbours. */
  readonly message: string;
  readonly known: readonly string[];
}

/**
 * @returns undefined when `value` fits
 * @throws {TypeError} when the schema uses a keyword that is not understood
 */
export function schemaProblem(
  schema: JsonSchema,
  value: unknown,
  path: DocumentPath = [],
): SchemaProblem | undefined {
  for (const keyword of Object.keys(schema)) {
    if (!UNDERSTOOD.has(keyword))
      throw new TypeError(`Schema keyword ${keyword} is not understood`);
  }
  const problem = (fallback: string): SchemaProblem => ({
    kind: "value",
    path,
    message: schema.errorMessage ?? fallback,
    known: [],
  });
  if (schema.type !== undefined && !hasType(value, schema.type)) {
    return problem(`must be ${/^[aio]/.test(schema.type) ? "an" : "a"} ${schema.type}`);
  }
  if ("const" in schema && value !== schema.const) {
    return problem(`must be ${JSON.stringify(schema.const)}`);
  }
  if (typeof value === "string") {
    const { pattern, minLength = 0 } = schema;
    if ([...value].length < minLength) return problem("must not be empty");
    if (pattern !== undefined && !new RegExp(pattern, "u").test(value)) {
      return problem(`must match ${pattern}`);
    }
  }
  if (typeof value === "number") {
    if (schema.minimum !== undefined && !(value >= schema.minimum)) {
      return problem(`must be ${schema.minimum} or more`);
    }
    if (schema.maximum !== undefined && !(value <= schema.maximum)) {
      return problem(`must be ${schema.maximum} or less`);
    }
  }
  const inner = Array.isArray(value)
    ? listProblem(schema, value, path)
    : isMap(value)
      ? mapProblem(schema, value, path)
      : undefined;
  if (inner !== undefined) {
    return inner.message === "" ? problem("does not have what it needs") : inner;
  }
  const matches = (branch: JsonSchema): boolean => schemaProblem(branch, value, path) === undefined;
  if (schema.anyOf && !schema.anyOf.some(matches)) {
    // A map or list that one branch has a place for gets that branch's words about its inside.
    const near = schema.anyOf
      .filter(({ type }) => typeof value === "object" && type !== undefined && hasType(value, type))
      .map((branch) => schemaProblem(branch, value, path))
      .find((found) => found?.kind === "unknown-key");
    return near ?? problem("has none of the forms it may have");
  }
  if (schema.oneOf && schema.oneOf.filter(matches).length !== 1) {
    return problem("must have exactly one of the forms it may have");
  }
  return undefined;
}

function listProblem(
  schema: JsonSchema,
  value: readonly unknown[],
  path: DocumentPath,
): SchemaProblem | undefined {
  const { minItems = 0, items, errorMessage } = schema;
  if (value.length < minItems) {
    const message = errorMessage ?? `must have ${minItems} or more items`;
    return { kind: "value", path, message, known: [] };
  }
  if (items === undefined) return undefined;
  for (const [index, item] of value.entries()) {
    const found = schemaProblem(items, item, [...path, index]);
    if (found) return found;
  }
  return undefined;
}

/** Unknown keys are looked for first: a misspelt key is why another one is missing. */
function mapProblem(
  schema: JsonSchema,
  value: Readonly<Record<string, unknown>>,
  path: DocumentPath,
): SchemaProblem | undefined {
  const { properties = {}, patternProperties = {}, required = [] } = schema;
  const patterns = Object.entries(patternProperties).map(
    ([pattern, member]) => [new RegExp(pattern, "u"), member] as const,
  );
  const schemasOf = (key: string): readonly JsonSchema[] => [
    ...(Object.hasOwn(properties, key) && properties[key] ? [properties[key]] : []),
    ...patterns.filter(([pattern]) => pattern.test(key)).map(([, member]) => member),
  ];
  if (schema.additionalProperties === false) {
    for (const key of Object.keys(value)) {
      if (schemasOf(key).length > 0) continue;
      const known = Object.keys(properties);
      return { kind: "unknown-key", path: [...path, key], message: "is unknown", known };
    }
  }
  for (const [key, member] of Object.entries(value)) {
    for (const memberSchema of schemasOf(key)) {
      const found = schemaProblem(memberSchema, member, [...path, key]);
      if (found) return found;
    }
  }
  const lacking = required.find((key) => !Object.hasOwn(value, key));
  // The map's own sentence says what it must hold: the caller fills it in.
  return lacking === undefined ? undefined : { kind: "value", path, message: "", known: [] };
}

/** @throws {ImageError} naming the key, the file, the line and the column of the first problem */
export function checkDocument(schema: JsonSchema, document: PositionedDocument): void {
  const problem = schemaProblem(schema, document.value);
  if (!problem) return;
  const { path } = problem;
  const subject = `${JSON.stringify(keyText(path))} in ${document.file}`;
  if (problem.kind === "unknown-key") {
    const known = problem.known.filter((key) => key !== "$schema");
    const meant = nearestWord(String(path.at(-1)), known);
    throw documentError(
      document,
      path,
      `Unknown key ${subject}${meant ? `: did you mean ${JSON.stringify(meant)}?` : ""}`,
      meant
        ? `Write ${JSON.stringify(meant)} instead`
        : `Remove it${known.length > 0 ? `; known keys are ${known.join(", ")}` : ""}`,
      "key",
    );
  }
  const found = describe(path.reduce<unknown>((node, key) => memberOf(node, key), document.value));
  const who = path.length === 0 ? document.file : subject;
  throw documentError(document, path, `${who} ${problem.message}, not ${found}`, "Correct it");
}

/** A path as people write it: health.http.port, ports[1]. */
function keyText(path: DocumentPath): string {
  return path
    .map((part, index) => (typeof part === "number" ? `[${part}]` : index > 0 ? `.${part}` : part))
    .join("");
}

function memberOf(value: unknown, key: string | number): unknown {
  return (value as Readonly<Record<string | number, unknown>> | undefined)?.[key];
}

function hasType(value: unknown, type: string): boolean {
  switch (type) {
    case "integer":
      return Number.isInteger(value);
    case "number":
      return typeof value === "number" && Number.isFinite(value);
    case "array":
      return Array.isArray(value);
    case "object":
      return isMap(value);
    case "null":
      return value === null;
    default:
      return typeof value === type;
  }
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function describe(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (isMap(value)) {
    const keys = Object.keys(value);
    return keys.length === 0 ? "an empty map" : `a map with ${keys.slice(0, 4).join(", ")}`;
  }
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
