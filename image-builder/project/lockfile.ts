/**
 * package-lock.json and npm-shrinkwrap.json (lockfileVersion 2 and 3): what npm says about the
 * packages it installed. The packages themselves are found as node finds them; the lockfile adds
 * where they came from, and notices a node_modules that does not belong to it.
 */
import { join } from "node:path";
import { parseJsonDocument } from "../manifest/positioned-document.ts";
import { readTextFile } from "../manifest/text-file.ts";

interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly link?: boolean;
}

export interface Lockfile {
  readonly file: string;
  /** By path relative to the lockfile's folder, such as "node_modules/a/node_modules/b". */
  readonly packages: ReadonlyMap<string, LockedPackage>;
}

const NAMES = ["npm-shrinkwrap.json", "package-lock.json"];

/**
 * @returns undefined when the folder has no lockfile, or one of version 1, which lists no paths
 * @throws {ImageError} when it is broken, with line and column
 */
export function readLockfile(folder: string): Lockfile | undefined {
  for (const name of NAMES) {
    const file = join(folder, name);
    const text = readTextFile(file);
    if (text !== undefined) return lockfileOf(file, text);
  }
  return undefined;
}

function lockfileOf(file: string, text: string): Lockfile | undefined {
  const packages = recordOf(recordOf(parseJsonDocument(file, text).value)["packages"]);
  if (Object.keys(packages).length === 0) return undefined;
  const locked = Object.entries(packages).map(
    ([path, entry]) => [path, lockedPackage(recordOf(entry))] as const,
  );
  return { file, packages: new Map(locked) };
}

function lockedPackage(entry: Record<string, unknown>): LockedPackage {
  const text = (key: "version" | "resolved" | "integrity" | "license"): object => {
    const value = entry[key];
    return typeof value === "string" ? { [key]: value } : {};
  };
  return {
    ...text("version"),
    ...text("resolved"),
    ...text("integrity"),
    ...text("license"),
    ...(entry["link"] === true && { link: true }),
  };
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
