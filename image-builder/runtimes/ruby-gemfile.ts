/** The gems that a project names: Gemfile.lock with versions, else the plain lines of its Gemfile. */
import { join } from "node:path";
import { readTextFile } from "../manifest/text-file.ts";

export interface WantedGems {
  /** The file that says so; undefined when there is none. */
  readonly file: string | undefined;
  readonly gems: readonly (readonly [name: string, version: string | null])[];
}

const FILE_MAX_BYTES = 4 << 20;

export function readWantedGems(root: string): WantedGems {
  const gemfile = join(root, "Gemfile");
  const text = readTextFile(gemfile, FILE_MAX_BYTES);
  const lock = readTextFile(`${gemfile}.lock`, FILE_MAX_BYTES);
  if (lock !== undefined) return { file: `${gemfile}.lock`, gems: lockedGems(lock) };
  return { file: text === undefined ? undefined : gemfile, gems: namedGems(text ?? "") };
}

/** `    name (1.2.3)` below `specs:`; a platform behind the version is left out. */
export function lockedGems(lock: string): [string, string][] {
  const found: [string, string][] = [];
  for (const line of lock.split(/\r?\n/)) {
    const match = /^ {4}([A-Za-z0-9._-]+) \(([0-9][0-9A-Za-z.]*)(?:-[^)]*)?\)$/.exec(line);
    if (match?.[1] && match[2]) found.push([match[1], match[2]]);
  }
  return found;
}

function namedGems(gemfile: string): [string, null][] {
  const lines = gemfile.matchAll(/^\s*gem\s*\(?\s*["']([A-Za-z0-9._-]+)["']/gm);
  return [...lines].map(([, name = ""]) => [name, null]);
}
