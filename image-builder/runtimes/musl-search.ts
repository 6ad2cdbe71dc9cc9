/**
 * Where musl's dynamic linker looks for a library (musl ldso/dynlink.c, load_library): the search paths
 * of the file and of everything that loaded it, DT_RUNPATH before DT_RPATH in each; then the folders of
 * its path file. There is no cache. Libraries keep their places, because the guest gets the path file.
 */
import { readFile } from "node:fs/promises";
import { basename, dirname, join, normalize } from "node:path/posix";
import type { LibraryPlace, LoadedFile } from "./library-search.ts";

/** Without a path file (musl's default). */
const DEFAULT_DIRECTORIES = ["/lib", "/usr/local/lib", "/usr/lib"];
const MAX_PATH_FILE_BYTES = 65_536;

export interface MuslLibraries {
  readonly directories: readonly string[];
  /** The path file, when there is one. */
  readonly pathFile?: string;
}

export function isMusl(interpreter: string | undefined): boolean {
  return interpreter !== undefined && basename(interpreter).startsWith("ld-musl-");
}

/** These are all the dynamic linker itself, whatever follows the dot (libc.musl-x86_64.so.1). */
export function isOwnOfMusl(name: string): boolean {
  return /^lib(c|pthread|rt|m|dl|util|xnet)\./.test(name);
}

/** @param interpreter for example "/lib/ld-musl-x86_64.so.1", whose file is /etc/ld-musl-x86_64.path */
export async function muslLibraries(interpreter: string): Promise<MuslLibraries> {
  const name = basename(interpreter).replace(/\.so.*$/, "");
  const pathFile = join(dirname(dirname(interpreter)), `etc/${name}.path`);
  const text = await readFile(pathFile, "utf8").catch(() => undefined);
  if (text === undefined) return { directories: DEFAULT_DIRECTORIES };
  const directories = text
    .slice(0, MAX_PATH_FILE_BYTES)
    .split(/[\n:]/)
    .filter((one) => one.startsWith("/"));
  return { directories, pathFile };
}

/** @yields the places to look for `name` on behalf of `file`, best first */
export function* muslPlaces(
  name: string,
  file: LoadedFile,
  { directories }: MuslLibraries,
): Generator<LibraryPlace> {
  if (name.includes("/")) {
    if (name.startsWith("/")) yield { hostPath: name, guestPath: normalize(name) };
    return;
  }
  for (let from: LoadedFile | undefined = file; from; from = from.loader) {
    const paths = from.elf.runpath ?? from.elf.rpath ?? [];
    // A "$" that begins nothing known makes musl ignore the whole list.
    const isKnown = !paths.some((path) => /\$(?!ORIGIN|\{ORIGIN\})/.test(path));
    for (const path of isKnown ? paths : []) {
      const host = withOrigin(path, dirname(from.hostPath));
      const guest = withOrigin(path, dirname(from.guestPath ?? from.hostPath));
      if (host.startsWith("/")) yield { hostPath: join(host, name), guestPath: join(guest, name) };
    }
  }
  for (const directory of directories) {
    yield { hostPath: join(directory, name), guestPath: join(directory, name) };
  }
}

function withOrigin(path: string, origin: string): string {
  return path.replaceAll(/\$ORIGIN|\$\{ORIGIN\}/g, origin);
}
