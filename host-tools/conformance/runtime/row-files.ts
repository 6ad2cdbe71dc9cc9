/** What a row's program needs of this host, put beside it: the target has what its image's programs need, no more. */
import { chmod, copyFile, mkdir, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { FileEntry } from "../../../image-builder/rootfs/tree.ts";
import { libraryClosure } from "../../../image-builder/runtimes/library-closure.ts";

const LIBRARIES = "libraries";

/**
 * Puts the libraries that programs, libraries and addons of this host need into a row's files.
 *
 * @param own names of those that are among the files already
 */
export async function putLibraries(
  roots: readonly string[],
  files: string,
  own: ReadonlySet<string> = new Set(),
): Promise<void> {
  const { libraries } = await libraryClosure(roots, { providedSonames: own });
  const folder = join(files, LIBRARIES);
  await mkdir(folder, { recursive: true });
  for (const { hostPath, soname } of libraries) {
    if (!own.has(soname)) await copyFile(hostPath, join(folder, soname));
  }
}

/** For programs with such libraries. */
export function libraryEnv(place: string): Readonly<Record<string, string>> {
  return { LD_LIBRARY_PATH: `${place}/${LIBRARIES}` };
}

/** Writes an image's entries under `from` into a folder: with the time 0, as in images. */
export async function putEntries(
  entries: Iterable<FileEntry>,
  { from, folder }: { readonly from: string; readonly folder: string },
): Promise<void> {
  for (const { path, mode, source } of entries) {
    const file = join(folder, path.slice(from.length));
    await mkdir(dirname(file), { recursive: true });
    if (source.kind === "bytes") await writeFile(file, source.bytes);
    else if (source.kind === "path") await copyFile(source.path, file);
    else throw new TypeError(`${path} is a part of a file`);
    await chmod(file, mode);
    await utimes(file, 0, 0);
  }
}
