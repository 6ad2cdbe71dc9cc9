/** Turns a library closure into entries of the root tree. */
import { stat } from "node:fs/promises";
import type { FileEntry } from "../rootfs/tree.ts";
import { withIoError } from "./io-error.ts";
import type { LibraryClosure } from "./library-closure.ts";

/**
 * The libraries and, at the path programs name it by, the dynamic linker.
 *
 * @throws {ImageError} WL_IMAGE_IO when a library vanished meanwhile
 */
export async function closureEntries(closure: LibraryClosure): Promise<FileEntry[]> {
  const files = closure.libraries.map(({ hostPath, guestPath }) => ({ hostPath, guestPath }));
  if (closure.interpreter !== undefined) {
    files.push({ hostPath: closure.interpreter, guestPath: closure.interpreter });
  }
  return Promise.all(files.map((file) => executableEntry(file.hostPath, file.guestPath)));
}

/** A file that every user of the guest may read and run. */
export async function executableEntry(hostPath: string, guestPath: string): Promise<FileEntry> {
  const { size } = await withIoError("read", hostPath, stat(hostPath));
  const source = { kind: "path", path: hostPath, sizeBytes: size } as const;
  return { kind: "file", path: guestPath, mode: 0o755, source };
}
