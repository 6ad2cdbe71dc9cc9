/** What downloads that broke off left in the cache (blob-download.ts). */
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { withIoError } from "../runtimes/io-error.ts";
import { tryLockFile } from "../store/file-lock.ts";
import { PARTIAL_SUFFIX } from "./blob-download.ts";
import { blobFolder } from "./layout-pull.ts";

/**
 * Removes what nobody is writing: who writes a partial file holds its lock.
 *
 * @param cacheFolder Folders.cache
 * @returns bytes that the disk got back
 * @throws {ImageError} WL_IMAGE_IO
 */
export async function removePartialDownloads(cacheFolder: string): Promise<number> {
  const folder = blobFolder(cacheFolder);
  let freedBytes = 0;
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.endsWith(PARTIAL_SUFFIX)) continue;
    const path = join(folder, name);
    // One that became whole since the folder was read is made anew by this, empty, and removed.
    await using lock = await tryLockFile(path);
    if (!lock) continue;
    const { blocks } = await withIoError("read", path, stat(path));
    await withIoError("write", path, rm(path, { force: true }));
    freedBytes += blocks * 512;
  }
  return freedBytes;
}
