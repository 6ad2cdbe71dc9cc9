/**
 * Every library that a set of programs and native addons loads at start, found as the dynamic linker
 * finds it but without running anything. The result says where each library goes in the guest so
 * that the guest's dynamic linker, which has no cache file, comes to the same answer.
 *
 * Left out, because no file says it: libraries a program opens by name while it runs (dlopen).
 */
import { access, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path/posix";
import { ImageError } from "../errors.ts";
import { debianPackageOf } from "./debian-package.ts";
import { type Elf, readElfFile } from "./elf.ts";
import { invalidBinary } from "./elf-header.ts";
import { DEFAULT_LIBRARY_DIRECTORIES, type LdCache, readLdCache } from "./ld-cache.ts";
import { type LoadedFile, libraryPlaces, type SystemLibraries } from "./library-search.ts";

export interface ClosureRoot {
  /** A program, library or native addon on this machine. */
  readonly hostPath: string;
  /** Where it will be in the guest; libraries it names relative to itself ($ORIGIN) go along. */
  readonly guestPath: string;
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
  /** The file with the content, symbolic links followed. */
  readonly hostPath: string;
  readonly guestPath: string;
}

export interface LibraryClosure {
  /** Ordered by guest path. */
  readonly libraries: readonly ClosureLibrary[];
  /** The dynamic linker's path, the same on this machine and in the guest. */
  readonly interpreter?: string;
}

/** Where Debian's dynamic linker looks without a cache. */
const DEBIAN_LIBRARY_DIRECTORY = "/lib/x86_64-linux-gnu";
/** Already in every process that has libraries, so never searched for. */
const INTERPRETER_SONAME = "ld-linux-x86-64.so.2";
const LIBC_SONAME = "libc.so.6";

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
  let interpreter: string | undefined;
  for (const root of roots) {
    const loaded = await finder.load(typeof root === "string" ? { hostPath: root } : root);
    for (const library of loaded.libraries) {
      const other = libraries.get(library.guestPath);
      if (other && other.hostPath !== library.hostPath) throw conflict(library, other);
      libraries.set(library.guestPath, library);
    }
    if (interpreter && loaded.interpreter && loaded.interpreter !== interpreter) {
      const why = `its dynamic linker is ${loaded.interpreter}, that of the others ${interpreter}`;
      throw invalidBinary(typeof root === "string" ? root : root.hostPath, why);
    }
    interpreter ??= loaded.interpreter;
  }
  return {
    libraries: [...libraries.values()].sort((a, b) => (a.guestPath < b.guestPath ? -1 : 1)),
    ...(interpreter === undefined ? {} : { interpreter }),
  };
}

/** A file opened for a library name: what it is, or why it cannot be used. */
type Candidate = Elf | ImageError;

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
  async load(root: { hostPath: string; guestPath?: string }): Promise<LibraryClosure> {
    // Both the kernel and Node's require follow links before $ORIGIN is taken.
    const hostPath = await realpath(root.hostPath).catch(() => root.hostPath);
    const elf = await readElfFile(hostPath, { ...(this.#signal && { signal: this.#signal }) });
    if (elf.type !== "executable" && elf.type !== "shared") {
      throw invalidBinary(hostPath, `it is a ${elf.type} file, which cannot be loaded`);
    }
    if (elf.interpreter !== undefined) await this.#checkInterpreter(elf.interpreter, hostPath);

    const start = { elf, hostPath, guestPath: root.guestPath, loader: undefined };
    const byName = new Map<string, LoadedFile>();
    const libraries: ClosureLibrary[] = [];
    const queue: LoadedFile[] = [start];
    for (const file of queue) {
      for (const name of file.elf.needed) {
        if (byName.has(name) || isInterpreter(name, elf.interpreter)) continue;
        const isProvided = this.#provided.has(name);
        const found = await this.#find(name, file, isProvided);
        if (!found) continue;
        byName.set(name, found);
        if (found.elf.soname && !byName.has(found.elf.soname)) byName.set(found.elf.soname, found);
        if (isProvided) continue;
        queue.push(found);
        const content = await realpath(found.hostPath);
        libraries.push({ soname: basename(name), hostPath: content, guestPath: found.guestPath });
      }
    }
    for (const file of queue) checkVersions(file, byName);
    return {
      libraries,
      ...(elf.interpreter === undefined ? {} : { interpreter: elf.interpreter }),
    };
  }

  /** @returns undefined only for an optional library that is not on this machine */
  async #find(
    name: string,
    file: LoadedFile,
    isOptional: boolean,
  ): Promise<(LoadedFile & { guestPath: string }) | undefined> {
    let unusable: ImageError | undefined;
    for (const { hostPath, guestPath } of libraryPlaces(name, file, this.#system)) {
      const candidate = await this.#candidate(hostPath);
      if (!(candidate instanceof ImageError)) {
        return { elf: candidate, hostPath, guestPath, loader: file };
      }
      // The dynamic linker, too, goes on past a file for another machine.
      if (candidate.code === "WL_IMAGE_BINARY_INVALID") unusable ??= candidate;
    }
    if (isOptional) return undefined;
    throw missingLibrary(name, file, unusable);
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
    const why = `its dynamic linker ${JSON.stringify(interpreter)} is not usable on this machine`;
    throw invalidBinary(neededBy, why, nextStepFor(interpreter));
  }
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
    if (missing === undefined) continue;
    throw invalidBinary(
      file.hostPath,
      `it needs ${missing} of ${library}, which ${provider.hostPath} does not have`,
      "It was built on a newer system: build it from source here (npm rebuild --build-from-source)",
    );
  }
}

function missingLibrary(name: string, file: LoadedFile, unusable?: ImageError): ImageError {
  const chain: string[] = [];
  for (let from: LoadedFile | undefined = file; from; from = from.loader) chain.push(from.hostPath);
  const neededBy = chain.map((path) => JSON.stringify(path)).join(", loaded by ");
  const found = unusable ? `; the one found does not fit: ${unusable.message}` : "";
  return new ImageError(
    "WL_IMAGE_BINARY_INVALID",
    `Cannot find library ${JSON.stringify(name)}, needed by ${neededBy}${found}`,
    { file: file.hostPath, next: nextStepFor(name) },
    unusable,
  );
}

function nextStepFor(library: string): string {
  if (library.includes("musl")) {
    return "The file was built for Alpine Linux (musl): install the project again on a glibc system";
  }
  const name = basename(library);
  const guess = debianPackageOf(name);
  return `Install the Debian package that holds it, probably ${guess} (apt-get install ${guess}), or search with: apt-file search ${name}`;
}

function conflict(library: ClosureLibrary, other: ClosureLibrary): ImageError {
  const files = `${JSON.stringify(other.hostPath)} and ${JSON.stringify(library.hostPath)}`;
  return new ImageError(
    "WL_IMAGE_BINARY_INVALID",
    `Cannot put two libraries at ${library.guestPath}: ${files}`,
    { file: library.hostPath, next: "Make the programs use one copy of the library" },
  );
}

function isInterpreter(name: string, interpreter: string | undefined): boolean {
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
