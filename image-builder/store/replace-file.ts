/** Replacing a small file so that a reader finds the old one or the new one, never half of one. */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { withIoError } from "../runtimes/io-error.ts";

/** What is being written has such a name until it is whole; what still has it is a crash's remains. */
export const REMAINS_PREFIX = ".new-";

const REMAINS_OF = /^\.new-([0-9]+)-/;

/** A free path in the same folder, and so on the same file system, as `path`. */
export function pathBeside(path: string): string {
  return join(dirname(path), `${REMAINS_PREFIX}${process.pid}-${randomUUID()}`);
}

/**
 * Writes beside and renames; makes the folder when it is missing. Leaves nothing behind when it fails.
 *
 * @param mode of the file, less the umask
 * @throws {ImageError} WL_IMAGE_IO
 */
export async function replaceFile(path: string, text: string, mode = 0o666): Promise<void> {
  const folder = dirname(path);
  await withIoError("write", folder, mkdir(folder, { recursive: true }));
  const beside = pathBeside(path);
  try {
    await withIoError("write", path, writeAndSync(beside, text, mode));
    await withIoError("write", path, rename(beside, path));
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}

/** Removes what killed writers left in a folder; nobody may be writing there. */
export async function removeRemains(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter((one) => one.startsWith(REMAINS_PREFIX))) {
    await rm(join(folder, name), { recursive: true, force: true });
  }
}

/**
 * Removes what killed writers left in a folder and the folders in it, while others may be writing there:
 * the name says which process wrote.
 */
export async function removeDeadRemains(folder: string): Promise<void> {
  const items = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const item of items) {
    const path = join(folder, item.name);
    const pid = REMAINS_OF.exec(item.name)?.[1];
    if (pid === undefined) {
      if (item.isDirectory()) await removeDeadRemains(path);
    } else if (!existsSync(`/proc/${pid}`)) {
      await rm(path, { recursive: true, force: true });
    }
  }
}

/** Without the sync, a power cut after the rename could leave an empty file under the name. */
async function writeAndSync(path: string, text: string, mode: number): Promise<void> {
  await using file = await open(path, "wx", mode);
  await file.writeFile(text);
  await file.sync();
}
