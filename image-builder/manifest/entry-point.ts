/**
 * Which file node runs when the manifest does not say: the start script, then what package.json
 * calls the package's main file, then the names that people give to servers.
 *
 * The start script comes first because it is how the author runs the program; `main` is often what
 * `npm init` wrote.
 */
import { readFileSync, readlinkSync, statSync } from "node:fs";
import { join, posix } from "node:path";
import { ImageError } from "../errors.ts";
import type { FoundRuntime } from "../runtimes/runtimes.ts";
import type { PackageJson } from "./package-json.ts";
import { readStartScript, type StartScript } from "./start-script.ts";

export interface EntryPoint {
  /** Relative to the folder, "/"-separated. */
  readonly entry: string;
  readonly nodeFlags: readonly string[];
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly warnings: readonly string[];
}

/** Scripts that start a program for good, most usual first. */
const START_SCRIPTS = ["start", "start:prod", "serve"];
const USUAL_NAMES = ["server", "index", "app", "main", "src/server", "src/index", "src/main"];
const EXTENSIONS = [".js", ".mjs", ".cjs", ".ts", ".mts", ".cts"];

/**
 * @param others what the folder may be in place of a Node project
 * @throws {ImageError} WL_IMAGE_PROJECT_INVALID naming everything that was tried
 */
export function findEntryPoint(
  folder: string,
  packageJson: PackageJson | undefined,
  others: readonly FoundRuntime[] = [],
): EntryPoint {
  const tried: string[] = [];
  for (const name of START_SCRIPTS) {
    if (packageJson?.scripts[name] === undefined) continue;
    const script = readStartScript(packageJson.scripts, name);
    if ("reason" in script) {
      tried.push(`scripts.${name}: ${script.reason}`);
      continue;
    }
    const entry = script.isBin ? resolveBin(folder, script.file) : locate(folder, script.file);
    if (entry !== undefined)
      return { ...script, entry, warnings: [...inPlaceOf(tried, entry), ...script.warnings] };
    tried.push(`scripts.${name}: ${missing(script)}`);
  }
  if (packageJson?.main !== undefined) {
    const entry = locate(folder, packageJson.main);
    if (entry !== undefined) return plain(entry, tried);
    tried.push(`main: ${packageJson.main} does not exist`);
  }
  const exported = exportTarget(packageJson?.exports);
  if (exported !== undefined) {
    const entry = locate(folder, exported);
    if (entry !== undefined) return plain(entry, tried);
    tried.push(`exports: ${exported} does not exist`);
  }
  for (const name of USUAL_NAMES) {
    const entry = EXTENSIONS.map((extension) => name + extension).find((file) =>
      isFile(join(folder, file)),
    );
    if (entry !== undefined) return plain(entry, tried);
  }
  const bin = Object.values(packageJson?.bin ?? {})[0];
  if (bin !== undefined) {
    const entry = locate(folder, bin);
    if (entry !== undefined) return plain(entry, tried);
    tried.push(`bin: ${bin} does not exist`);
  }
  tried.push(`${USUAL_NAMES.slice(0, 4).join(", ")} (${EXTENSIONS.join(", ")}): no such file`);
  throw noEntryPoint(folder, packageJson, tried, others);
}

function noEntryPoint(
  folder: string,
  packageJson: PackageJson | undefined,
  tried: readonly string[],
  others: readonly FoundRuntime[],
): ImageError {
  const [other] = others;
  const seen = others.map(({ file }) => file).join(", ");
  const isOther = other
    ? `Its package.json makes it Node's, though it has ${seen}: write "runtime: ${other.name}" into windlass.yaml if it is no Node program. Else set`
    : "Set";
  return new ImageError(
    "WL_IMAGE_PROJECT_INVALID",
    `No entry point in ${folder}. Tried ${tried.join("; ")}`,
    {
      ...(packageJson ? { file: packageJson.document.file } : {}),
      next: `${isOther} "main" in package.json or "entry" in windlass.yaml; build the project first if it needs building`,
    },
  );
}

/** What the project names and does not have is no error while there is something to run; but it is said. */
function inPlaceOf(tried: readonly string[], entry: string): string[] {
  return tried.map((attempt) => `${attempt}; ${entry} is run in its place`);
}

/**
 * Node's own resolution of a path without a package: the file, the file with an extension, the
 * folder's index. A built file that is missing is not replaced by its source.
 *
 * @returns the path relative to the folder, or undefined when it is missing or outside
 */
export function locate(folder: string, path: string): string | undefined {
  const base = posix.normalize(path).replace(/(?<=.)\/$/, "");
  if (base === ".." || base.startsWith("../") || base.startsWith("/")) return undefined;
  const candidates = [
    base,
    ...EXTENSIONS.map((extension) => base + extension),
    ...EXTENSIONS.map((extension) => posix.join(base, `index${extension}`)),
  ];
  return candidates.find((candidate) => isFile(join(folder, candidate)));
}

/**
 * The script behind node_modules/.bin/NAME.
 *
 * @returns the path relative to the folder; undefined when there is none or it is no node script
 */
export function resolveBin(folder: string, name: string): string | undefined {
  const link = posix.join("node_modules/.bin", name);
  try {
    const target = posix.join("node_modules/.bin", readlinkSync(join(folder, link)));
    const head = readFileSync(join(folder, target), "utf8").slice(0, 200);
    const isNodeScript = /^#!.*\bnode\b/.test(head) || /\.[cm]?js$/.test(target);
    return isNodeScript && !target.startsWith("..") ? target : undefined;
  } catch {
    return undefined;
  }
}

/** The target of "." in an `exports` field that node would take for `import`, else `require`. */
function exportTarget(exports: unknown): string | undefined {
  if (typeof exports === "string") return exports;
  if (Array.isArray(exports)) {
    for (const item of exports) {
      const target = exportTarget(item);
      if (target !== undefined) return target;
    }
    return undefined;
  }
  if (typeof exports !== "object" || exports === null) return undefined;
  const map = exports as Record<string, unknown>;
  if (map["."] !== undefined) return exportTarget(map["."]);
  const conditions = ["node", "import", "module-sync", "require", "default"];
  for (const [condition, target] of Object.entries(map)) {
    const found = conditions.includes(condition) ? exportTarget(target) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

function missing(script: StartScript): string {
  return script.isBin
    ? `${script.file} is no command of an installed package`
    : `${script.file} does not exist`;
}

function plain(entry: string, tried: readonly string[]): EntryPoint {
  return { entry, nodeFlags: [], args: [], env: {}, warnings: inPlaceOf(tried, entry) };
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
