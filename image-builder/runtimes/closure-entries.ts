/** Turns a library closure into entries of the root tree. */
import { stat } from "node:fs/promises";
import { normalize } from "node:path/posix";
import type { FileEntry, TreeEntry } from "../rootfs/tree.ts";
import { withIoError } from "./io-error.ts";
import type { LibraryClosure } from "./library-closure.ts";
import { linkedFile } from "./linked-entries.ts";

/**
 * The libraries with the links that lead to them and, at the paths programs name them by, the dynamic
 * linkers.
 *
 * @throws {ImageError} WL_IMAGE_IO when a library vanished meanwhile
 */
export function closureEntries(closure: LibraryClosure): TreeEntry[] {
  const entries = new Map<string, TreeEntry>();
  const take = (hostPath: string, guestPath: string): void => {
    for (const entry of linkedFile(hostPath, guestPath).entries) entries.set(entry.path, entry);
  };
  for (const { foundPath, guestPath } of closure.libraries) take(foundPath, guestPath);
  // A program may name its dynamic linker by a path that is not normal.
  for (const path of [...closure.interpreters, ...closure.pathFiles]) take(path, normalize(path));
  return [...entries.values()];
}

/** A file that every user of the guest may read and run. */
export async function executableEntry(hostPath: string, guestPath: string): Promise<FileEntry> {
  const { size } = await withIoError("read", hostPath, stat(hostPath));
  const source = { kind: "path", path: hostPath, sizeBytes: size } as const;
  return { kind: "file", path: guestPath, mode: 0o755, source };
}
