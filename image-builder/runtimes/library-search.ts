/**
 * Where the dynamic linker looks for a library, in its order (ld.so(8); glibc elf/dl-load.c,
 * _dl_map_object): DT_RPATH of the file and of everything that loaded it, unless the file has a
 * DT_RUNPATH; the file's own DT_RUNPATH; the cache; the default folders. Each place comes with the
 * path under which the guest's dynamic linker, which has no cache, will find the library again.
 */
import { basename, dirname, join } from "node:path/posix";
import type { Elf } from "./elf.ts";
import type { LdCache } from "./ld-cache.ts";

/** A file on its way into a process, with the chain of files that asked for it. */
export interface LoadedFile {
  readonly elf: Elf;
  /** As the dynamic linker found it, symbolic links not followed: $ORIGIN is its folder. */
  readonly hostPath: string;
  /** Absent when the caller did not say where the file goes. */
  readonly guestPath: string | undefined;
  readonly loader: LoadedFile | undefined;
}

export interface LibraryPlace {
  readonly hostPath: string;
  readonly guestPath: string;
}

export interface SystemLibraries {
  readonly cache: LdCache;
  readonly defaultDirectories: readonly string[];
  /** Folder in the guest for libraries of the system; one its dynamic linker searches by default. */
  readonly guestDirectory: string;
}

/** @yields the places to look for `name` on behalf of `file`, best first */
export function* libraryPlaces(
  name: string,
  file: LoadedFile,
  system: SystemLibraries,
): Generator<LibraryPlace> {
  // A name with a slash is a path, and is looked for nowhere else.
  if (name.includes("/")) {
    yield* place(name, "", file, system);
    return;
  }
  if (file.elf.runpath === undefined) {
    for (let from: LoadedFile | undefined = file; from; from = from.loader) {
      if (from.elf.runpath !== undefined) continue;
      for (const directory of from.elf.rpath ?? []) yield* place(directory, name, from, system);
    }
  }
  for (const directory of file.elf.runpath ?? []) yield* place(directory, name, file, system);

  // Without the cache, too, which the guest has not: nothing but its own paths serves such a file.
  if (file.elf.avoidsDefaults) return;
  const guestPath = join(system.guestDirectory, name);
  const cached = system.cache.get(name);
  if (cached !== undefined) yield { hostPath: cached, guestPath };
  for (const directory of system.defaultDirectories) {
    yield { hostPath: join(directory, name), guestPath };
  }
}

/**
 * Replaces $ORIGIN and the other tokens of ld.so(8).
 *
 * @returns undefined when a token has no value
 */
function expandTokens(path: string, origin: string | undefined): string | undefined {
  let isComplete = true;
  const values: Readonly<Record<string, string | undefined>> = {
    ORIGIN: origin,
    LIB: "lib/x86_64-linux-gnu",
    PLATFORM: "x86_64",
  };
  const expanded = path.replace(
    /\$(?:\{(ORIGIN|LIB|PLATFORM)\}|(ORIGIN|LIB|PLATFORM)(?![A-Za-z0-9_]))/g,
    (_match, braced: string | undefined, bare: string | undefined) => {
      const value = values[braced ?? bare ?? ""];
      isComplete &&= value !== undefined;
      return value ?? "";
    },
  );
  return isComplete ? expanded : undefined;
}

/** A place named by a file. Relative folders depend on where a program is started: left out. */
function* place(
  path: string,
  name: string,
  file: LoadedFile,
  system: SystemLibraries,
): Generator<LibraryPlace> {
  const host = expandTokens(path, dirname(file.hostPath));
  if (!host?.startsWith("/")) return;
  const hostPath = join(host, name);
  const guest = expandTokens(path, file.guestPath && dirname(file.guestPath));
  // Without a place in the guest to start from, and for system folders, which the guest searches
  // anyway, the library goes where all system libraries are.
  const keepsItsPlace =
    guest !== undefined && !system.defaultDirectories.includes(dirname(hostPath));
  yield {
    hostPath,
    guestPath: join(
      ...(keepsItsPlace ? [guest, name] : [system.guestDirectory, basename(hostPath)]),
    ),
  };
}
