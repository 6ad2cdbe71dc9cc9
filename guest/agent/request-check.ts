/**
 * Checks a request against the schemas of its operation. Bodies are taken as they are; path and query
 * arrive as text and are turned into the numbers and booleans their schema asks for. Loaded with the
 * schemas when the first request that has anything to check arrives.
 */
import type { TObject, TSchema } from "typebox";
import { Check, Errors } from "typebox/value";
import type { OperationSchemas } from "../api/operation-schemas.ts";
import type { OperationId, Route } from "../api/routes.ts";
import { schemas } from "../api/schemas.ts";
import { AgentError } from "./agent-error.ts";

/** A request as it came in. */
export interface RawArguments {
  readonly path: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: unknown;
}

/** @returns the operation's arguments @throws {AgentError} 400 that names the part and the member */
export function checkRequest(id: OperationId, route: Route, raw: RawArguments): object {
  const { path, query, body } = schemas[id] as OperationSchemas;
  const result: Record<string, unknown> = {};
  if (path) result["path"] = checked("path", path, coerced(path, raw.path));
  if (query) {
    const given = route.osv ? withForm(raw) : raw.query;
    if (route.osv) requirePresent(query, given);
    else refuseUnknown(query, given);
    result["query"] = checked("query", query, coerced(query, given));
  }
  if (body) result["body"] = checked("body", body, raw.body);
  return result;
}

/** @throws {AgentError} 400 that says where `value` departs from the schema */
export function checked<T>(where: string, schema: TSchema, value: T): T {
  if (Check(schema, value)) return value;
  const error = Errors(schema, value)[0];
  const member = `${where}${error?.instancePath ?? ""}`;
  throw new AgentError("WL_AGENT_BAD_REQUEST", `${member} ${error?.message ?? "is not valid"}`);
}

/** OSv merges query and urlencoded body; the body comes first and the first occurrence wins. */
function withForm(raw: RawArguments): Record<string, unknown> {
  const form = typeof raw.body === "object" && raw.body !== null ? raw.body : {};
  const merged: Record<string, unknown> = { ...raw.query, ...form };
  for (const [name, value] of Object.entries(merged)) {
    if (Array.isArray(value)) merged[name] = value[0];
  }
  return merged;
}

function requirePresent(schema: TObject, given: Readonly<Record<string, unknown>>): void {
  for (const name of schema.required ?? []) {
    if (given[name] === undefined || given[name] === "") {
      throw new AgentError("WL_AGENT_BAD_REQUEST", `Missing mandatory parameter '${name}'`);
    }
  }
}

function refuseUnknown(schema: TObject, given: Readonly<Record<string, unknown>>): void {
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(schema.properties, name));
  if (unknown !== undefined) {
    const known = Object.keys(schema.properties).join(", ");
    throw new AgentError(
      "WL_AGENT_BAD_REQUEST",
      `query has no parameter "${unknown}"; it has ${known || "none"}`,
    );
  }
}

function coerced(schema: TObject, given: Readonly<Record<string, unknown>>): object {
  const result: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(schema.properties)) {
    const value = given[name];
    if (value !== undefined) result[name] = coercedValue(property, value);
  }
  return result;
}

function coercedValue(schema: TSchema, value: unknown): unknown {
  const { type } = schema as { type?: string };
  if (type === "integer" && typeof value === "string" && /^-?\d{1,15}$/.test(value)) {
    return Number(value);
  }
  if (type === "boolean" && (value === "true" || value === "1")) return true;
  if (type === "boolean" && (value === "false" || value === "0" || value === "")) return false;
  return value;
}
