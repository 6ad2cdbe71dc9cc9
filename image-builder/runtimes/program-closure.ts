/**
 * Everything that programs of the host need beside themselves: their libraries bring rows of the table
 * in program-needs.ts, whose files bring programs and libraries again, until nothing new comes.
 */

import { symbolsAmong } from "./elf.ts";
import { libraryClosure } from "./library-closure.ts";
import { addNeed } from "./needed-files.ts";
import type { ProgramFiles } from "./program-files.ts";
import {
  localePaths,
  NEEDED_SYMBOLS,
  nameServiceLibraries,
  needsOf,
  type ProgramNeed,
} from "./program-needs.ts";

/** Each round follows one more step from a program to what it opens; three are the most seen. */
const MAX_ROUNDS = 8;
/** What the base's /etc/nsswitch.conf asks for (base-tree.ts). */
const NAME_SERVICES = "passwd: files\ngroup: files\nhosts: files dns\n";

export interface ProgramClosureOptions {
  /** The program's variables: a locale of theirs is brought. */
  readonly env: Readonly<Record<string, string>>;
  /** Content of the guest's nsswitch.conf(5), when the image has one of its own. */
  readonly nameServices?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ProgramClosure {
  /** Sonames that programs open while they run. */
  readonly opens: readonly string[];
  /** Titles of the rows that applied. */
  readonly needs: readonly string[];
}

/**
 * @param files has the programs; gets what they need, but for the libraries
 * @throws {ImageError} as libraryClosure
 */
export async function addProgramNeeds(
  files: ProgramFiles,
  { env, nameServices = NAME_SERVICES, signal }: ProgramClosureOptions,
): Promise<ProgramClosure> {
  const wait = signal ? { signal } : {};
  const opens = new Set<string>();
  const applied = new Map<string, ProgramNeed>();
  const locale = { title: "locale", takes: localePaths(env) };
  await addNeed(files, locale);
  const symbols = new Set<string>();
  const programs = [...files.binaries];
  for (const { hostPath } of programs) {
    for (const name of await symbolsAmong(hostPath, NEEDED_SYMBOLS, wait)) symbols.add(name);
  }
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const roots = files.binaries.map((file) => ({ ...file, opens: [...opens] }));
    const { libraries } = await libraryClosure(roots, wait);
    const found = new Map(libraries.map(({ soname, foundPath }) => [soname, foundPath]));
    if (found.has("libc.so.6"))
      for (const name of nameServiceLibraries(nameServices)) opens.add(name);
    const paths = programs.map(({ guestPath }) => guestPath);
    const fresh = needsOf({ programs: paths, libraries: found, symbols }).filter(
      (need) => !applied.has(keyOf(need)),
    );
    if (fresh.length === 0) break;
    for (const need of fresh) {
      applied.set(keyOf(need), need);
      for (const soname of need.loads ?? []) opens.add(soname);
      await addNeed(files, need);
    }
  }
  return { opens: [...opens].sort(), needs: [...applied.values()].map(({ title }) => title) };
}

const keyOf = ({ title, takes }: ProgramNeed): string => JSON.stringify([title, takes]);
