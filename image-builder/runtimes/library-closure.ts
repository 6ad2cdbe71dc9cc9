/**
 * Every library that a set of programs and native addons loads at start, found as the dynamic linker
 * finds it but without running anything. The result says where each library goes in the guest so
 * that the guest's dynamic linker, which has no cache file, comes to the same answer.
 *
 * Libraries that a program opens by name while it runs (dlopen) are found when its notes say so; what no
 * file says stands in program-needs.ts.
 */
import { access, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path/posix";
import { ImageError } from "../errors.ts";
import {
  missingInterpreter,
  missingLibrary,
  missingVersion,
  twoLibraries,
} from "./closure-errors.ts";
import { type Elf, readElfFile } from "./elf.ts";
import { invalidBinary } from "./elf-header.ts";
import { DEFAULT_LIBRARY_DIRECTORIES, type LdCache, readLdCache } from "./ld-cache.ts";
import {
  type LibraryPlace,
  type LoadedFile,
  libraryPlaces,
  type SystemLibraries,
} from "./library-search.ts";
import {
  isMusl,
  isOwnOfMusl,
  type MuslLibraries,
  muslLibraries,
  muslPlaces,
} from "./musl-search.ts";

export interface ClosureRoot {
  /** A program, library or native addon on this machine. */
  readonly hostPath: string;
  /** Where it will be in the guest; libraries it names relative to itself ($ORIGIN) go along. */
  readonly guestPath: string;
  /** Left out, with its libraries, when it is not usable. */
  readonly isOptional?: boolean | undefined;
  /** Libraries that it opens while it runs, looked for as if it did; what is missing is passed over. */
  readonly opens?: readonly string[] | undefined;
}

export interface ClosureOptions {
  /** Default: this machine's /etc/ld.so.cache. */
  readonly ldCache?: LdCache;
  /** Default: {@link DEFAULT_LIBRARY_DIRECTORIES}. */
  readonly defaultDirectories?: readonly string[];
  /**
   * Names the guest already has, from this same machine: left out of the result, their needs too.
   * Symbol versions asked of them are still checked against this machine's copy.
   */
  readonly providedSonames?: ReadonlySet<string>;
  readonly signal?: AbortSignal;
}

export interface ClosureLibrary {
  /** The name it is asked for by, which is the last part of its guest path. */
  readonly soname: string;
  /** Where the dynamic linker found it; perhaps a symbolic link. */
  readonly foundPath: string;
  /** The file with the content, symbolic links followed. */
  readonly hostPath: string;
  readonly guestPath: string;
}

export interface LibraryClosure {
  /** Ordered by guest path. */
  readonly libraries: readonly ClosureLibrary[];
  /** Paths of the dynamic linkers, the same on this machine and in the guest. */
  readonly interpreters: readonly string[];
  /** Files that tell musl's dynamic linker where to look, the same on this machine and in the guest. */
  readonly pathFiles: readonly string[];
  /** Why optional roots are left out. */
  readonly leftOut: readonly ImageError[];
}

/** Where Debian's dynamic linker looks without a cache. */
const DEBIAN_LIBRARY_DIRECTORY = "/lib/x86_64-linux-gnu";
/** Already in every process that has libraries, so never searched for. */
const INTERPRETER_SONAME = "ld-linux-x86-64.so.2";
const LIBC_SONAME = "libc.so.6";
/**
 * Files looked at on behalf of one root: names times folders, which a file can make millions. Of a Debian
 * system's programs and libraries GTK has the most, 67; with all the folders of a large bundle it is hundreds.
 */
const MAX_PLACES = 20_000;

/**
 * @param roots programs, libraries and addons; a plain path says nothing about its place in the guest,
 *   so that all its libraries go to the system's library folder
 * @throws {ImageError} WL_IMAGE_BINARY_INVALID when a file is not for x86-64 Linux, or a library or a
 *   symbol version is missing; WL_IMAGE_IO when a root cannot be read
 */
export async function libraryClosure(
  roots: readonly (string | ClosureRoot)[],
  options: ClosureOptions = {},
): Promise<LibraryClosure> {
  const cache = options.ldCache ?? (await readLdCache());
  const defaultDirectories = options.defaultDirectories ?? DEFAULT_LIBRARY_DIRECTORIES;
  const guestDirectory = await systemLibraryDirectory(cache, defaultDirectories);
  const finder = new LibraryFinder({ cache, defaultDirectories, guestDirectory }, options);

  const libraries = new Map<string, ClosureLibrary>();
  const interpreters = new Set<string>();
  const pathFiles = new Set<string>();
  const leftOut: ImageError[] = [];
  for (const item of roots) {
    const root: Root = typeof item === "string" ? { hostPath: item } : item;
    const loaded = await finder.load(root).catch((error: unknown) => {
      if (!root.isOptional || !(error instanceof ImageError)) throw error;
      leftOut.push(error);
      return undefined;
    });
    if (!loaded) continue;
    for (const library of loaded.libraries) {
      const other = libraries.get(library.guestPath);
      if (other && other.hostPath !== library.hostPath) {
        throw twoLibraries(library.guestPath, other.hostPath, library.hostPath);
      }
      libraries.set(library.guestPath, library);
    }
    if (loaded.interpreter !== undefined) interpreters.add(loaded.interpreter);
    if (loaded.pathFile !== undefined) pathFiles.add(loaded.pathFile);
  }
  return {
    libraries: [...libraries.values()].sort((a, b) => (a.guestPath < b.guestPath ? -1 : 1)),
    interpreters: [...interpreters].sort(),
    pathFiles: [...pathFiles].sort(),
    leftOut,
  };
}

type Root = Omit<ClosureRoot, "guestPath"> & { readonly guestPath?: string };

/** A file opened for a library name: what it is, or why it cannot be used. */
type Candidate = Elf | ImageError;

interface LoadedRoot {
  readonly libraries: readonly ClosureLibrary[];
  readonly interpreter: string | undefined;
  readonly pathFile: string | undefined;
}

/** Rules of the dynamic linker that a root has. */
interface Linker {
  readonly musl: MuslLibraries | undefined;
  readonly interpreter: string | undefined;
  /** Called for every place that is looked at; throws when there are too many. */
  readonly spend: () => void;
}

type FoundLibrary = LoadedFile & { readonly guestPath: string };

class LibraryFinder {
  readonly #system: SystemLibraries;
  readonly #provided: ReadonlySet<string>;
  readonly #signal: AbortSignal | undefined;
  readonly #candidates = new Map<string, Promise<Candidate>>();

  constructor(system: SystemLibraries, options: ClosureOptions) {
    this.#system = system;
    this.#provided = options.providedSonames ?? new Set();
    this.#signal = options.signal;
  }

  /** What one process, or one addon within a process, loads: breadth first, each name once. */
  async load(root: Root): Promise<LoadedRoot> {
    // Both the kernel and Node's require follow links before $ORIGIN is taken.
    const hostPath = await realpath(root.hostPath).catch(() => root.hostPath);
    const elf = await readElfFile(hostPath, { ...(this.#signal && { signal: this.#signal }) });
    if (elf.type !== "executable" && elf.type !== "shared") {
      throw invalidBinary(hostPath, `it is a ${elf.type} file, which cannot be loaded`);
    }
    const { interpreter } = elf;
    if (interpreter !== undefined) await this.#checkInterpreter(interpreter, hostPath);
    const isForMusl = interpreter !== undefined && isMusl(interpreter);
    const musl = isForMusl ? await muslLibraries(interpreter) : undefined;
    const linker = { interpreter, musl, spend: placesBudget(hostPath) };

    const start = { elf, hostPath, guestPath: root.guestPath, loader: undefined };
    const byName = new Map<string, LoadedFile>();
    const libraries: ClosureLibrary[] = [];
    const queue: LoadedFile[] = [start];
    for (const file of queue) {
      this.#signal?.throwIfAborted();
      for (const { names, isOptional } of wants(file, file === start ? root.opens : undefined)) {
        if (names.some((name) => byName.has(name) || isLinker(name, linker))) continue;
        const found = await this.#findFirst(names, file, linker, isOptional);
        if (!found) continue;
        const { name, library, isProvided } = found;
        byName.set(name, library);
        const { soname } = library.elf;
        if (soname && !byName.has(soname)) byName.set(soname, library);
        if (isProvided) continue;
        queue.push(library);
        libraries.push(await closureLibrary(name, library));
      }
    }
    if (!linker.musl) for (const file of queue) checkVersions(file, byName);
    return { libraries, interpreter, pathFile: linker.musl?.pathFile };
  }

  /** @returns undefined only for an optional library that is not on this machine */
  async #findFirst(
    names: readonly string[],
    file: LoadedFile,
    linker: Linker,
    isOptional: boolean,
  ): Promise<{ name: string; library: FoundLibrary; isProvided: boolean } | undefined> {
    let unusable: ImageError | undefined;
    for (const name of names) {
      const isNameProvided = linker.musl === undefined && this.#provided.has(name);
      for (const place of this.#places(name, file, linker)) {
        linker.spend();
        const candidate = await this.#candidate(place.hostPath);
        if (!(candidate instanceof ImageError)) {
          const library = { elf: candidate, ...place, loader: file };
          // A program may have a copy of its own; an addon's name is in Node's process already.
          const isSystem = dirname(place.guestPath) === this.#system.guestDirectory;
          const isProvided = isNameProvided && (linker.interpreter === undefined || isSystem);
          return { name, library, isProvided };
        }
        // The dynamic linker, too, goes on past a file for another machine.
        if (candidate.code === "WL_IMAGE_BINARY_INVALID") unusable ??= candidate;
      }
      if (isNameProvided) return undefined;
    }
    if (isOptional) return undefined;
    throw missingLibrary(names[0] ?? "", file, unusable);
  }

  #places(name: string, file: LoadedFile, { musl }: Linker): Iterable<LibraryPlace> {
    return musl ? muslPlaces(name, file, musl) : libraryPlaces(name, file, this.#system);
  }

  #candidate(path: string): Promise<Candidate> {
    const known = this.#candidates.get(path);
    if (known) return known;
    const candidate = openCandidate(path, this.#signal);
    this.#candidates.set(path, candidate);
    return candidate;
  }

  async #checkInterpreter(interpreter: string, neededBy: string): Promise<void> {
    const candidate = interpreter.startsWith("/") ? await this.#candidate(interpreter) : undefined;
    if (candidate && !(candidate instanceof ImageError)) return;
    throw missingInterpreter(interpreter, neededBy);
  }
}

/** What a file has loaded, in the dynamic linker's order, then what it opens while it runs. */
function wants(
  { elf }: LoadedFile,
  opens: readonly string[] = [],
): { names: readonly string[]; isOptional: boolean }[] {
  return [
    ...elf.needed.map((name) => ({ names: [name], isOptional: false })),
    ...elf.dlopens
      .filter(({ priority }) => priority !== "suggested")
      .map(({ sonames, priority }) => ({ names: sonames, isOptional: priority !== "required" })),
    // Without a dynamic linker in the process nothing can be opened.
    ...(elf.needed.length > 0 ? opens : []).map((name) => ({ names: [name], isOptional: true })),
  ];
}

function placesBudget(root: string): () => void {
  let left = MAX_PLACES;
  return () => {
    if (left === 0) throw invalidBinary(root, "its libraries are looked for in too many places");
    left -= 1;
  };
}

async function closureLibrary(name: string, found: FoundLibrary): Promise<ClosureLibrary> {
  const hostPath = await realpath(found.hostPath);
  const { hostPath: foundPath, guestPath } = found;
  return { soname: basename(name), foundPath, hostPath, guestPath };
}

async function openCandidate(path: string, signal: AbortSignal | undefined): Promise<Candidate> {
  try {
    const elf = await readElfFile(path, { ...(signal && { signal }) });
    if (elf.type === "shared") return elf;
    return invalidBinary(path, `it is a ${elf.type} file, not a shared library`);
  } catch (error) {
    if (error instanceof ImageError) return error;
    throw error;
  }
}

/** As glibc elf/dl-version.c: a library without any versions satisfies every request. */
function checkVersions(file: LoadedFile, byName: ReadonlyMap<string, LoadedFile>): void {
  for (const { library, versions } of file.elf.versionsNeeded) {
    const provider = byName.get(library);
    if (!provider || provider.elf.versionsDefined.length === 0) continue;
    const missing = versions.find((version) => !provider.elf.versionsDefined.includes(version));
    if (missing !== undefined) throw missingVersion(file, missing, library, provider);
  }
}

/** The dynamic linker itself is in the process already. */
function isLinker(name: string, { interpreter, musl }: Linker): boolean {
  if (musl && isOwnOfMusl(name)) return true;
  return (
    name === INTERPRETER_SONAME || (interpreter !== undefined && name === basename(interpreter))
  );
}

/**
 * The guest runs this machine's dynamic linker, whose built-in folders differ between distributions;
 * the folder that holds the C library is always one of them.
 */
async function systemLibraryDirectory(
  cache: LdCache,
  defaultDirectories: readonly string[],
): Promise<string> {
  const cached = cache.get(LIBC_SONAME);
  if (cached !== undefined) return dirname(cached);
  for (const directory of defaultDirectories) {
    const hasLibc = await access(join(directory, LIBC_SONAME)).then(
      () => true,
      () => false,
    );
    if (hasLibc) return directory;
  }
  return DEBIAN_LIBRARY_DIRECTORY;
}
