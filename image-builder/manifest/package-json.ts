/** package.json: the parts that decide what runs and which packages it needs. */
import {
  documentError,
  type PositionedDocument,
  parseJsonDocument,
} from "./positioned-document.ts";
import { readTextFile } from "./text-file.ts";

/** What Windlass reads of a package.json, each part checked for its type or left out. */
export interface PackageJson {
  readonly document: PositionedDocument;
  readonly name?: string;
  readonly version?: string;
  readonly license?: string;
  readonly type: "module" | "commonjs";
  readonly main?: string;
  readonly exports?: unknown;
  readonly bin: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Record<string, string>>;
  readonly nodeRange?: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly optionalPeers: ReadonlySet<string>;
}

/**
 * @returns undefined when there is no such file
 * @throws {ImageError} when it cannot be read, is broken JSON (with line and column), or is no object
 */
export function readPackageJson(file: string): PackageJson | undefined {
  const text = readTextFile(file);
  return text === undefined ? undefined : packageJsonOf(parseJsonDocument(file, text));
}

/** @throws {ImageError} when the document is no object */
function packageJsonOf(document: PositionedDocument): PackageJson {
  const value = document.value;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw documentError(document, [], `${document.file} must hold a JSON object`);
  }
  const json = value as Record<string, unknown>;
  const name = textOf(json["name"]);
  const version = textOf(json["version"]);
  const main = textOf(json["main"]);
  const license = textOf(json["license"]) ?? textOf(recordOf(json["license"])["type"]);
  const nodeRange = textOf(recordOf(json["engines"])["node"]);
  const bin = textOf(json["bin"]);
  const peerMeta = recordOf(json["peerDependenciesMeta"]);
  return {
    document,
    ...(name && { name }),
    ...(version && { version }),
    ...(license && { license }),
    type: json["type"] === "module" ? "module" : "commonjs",
    ...(main && { main }),
    ...(json["exports"] !== undefined && { exports: json["exports"] }),
    bin: bin ? { [name?.replace(/^@[^/]*\//, "") ?? ""]: bin } : textsOf(json["bin"]),
    scripts: textsOf(json["scripts"]),
    ...(nodeRange && { nodeRange }),
    dependencies: textsOf(json["dependencies"]),
    optionalDependencies: textsOf(json["optionalDependencies"]),
    peerDependencies: textsOf(json["peerDependencies"]),
    optionalPeers: new Set(
      Object.keys(peerMeta).filter((peer) => recordOf(peerMeta[peer])["optional"] === true),
    ),
  };
}

/** A package's name as an image name: without scope, in the characters that names may have. */
export function imageNameOf(packageName: string): string | undefined {
  const name = packageName
    .replace(/^@[^/]*\//, "")
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, "-")
    .replace(/^[^a-z0-9]+/, "")
    .replace(/[^a-z0-9]+$/, "")
    .slice(0, 128);
  return name === "" ? undefined : name;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function textsOf(value: unknown): Record<string, string> {
  const texts = Object.entries(recordOf(value)).filter(([, text]) => typeof text === "string");
  return Object.fromEntries(texts) as Record<string, string>;
}
