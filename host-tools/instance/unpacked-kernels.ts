/** The cache's copies of kernels, which are made when a machine boots one. */
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { UNPACKED_KERNELS_FOLDER } from "../../image-builder/kernels/boot-kernel.ts";
import { withIoError } from "../../image-builder/runtimes/io-error.ts";
import { EMULATED_KERNELS_FOLDER } from "./emulated-kernel.ts";

const FOLDERS = [UNPACKED_KERNELS_FOLDER, EMULATED_KERNELS_FOLDER];
/** Those of an older Windlass, too. */
const FOLDER = /^vmlinux(-emulated(-\d+)?)?$/;

/**
 * Removes the copies of kernels that no image has. A QEMU has read its kernel before it runs.
 *
 * @param inUse digests of packed kernels
 * @returns bytes that the disk got back
 * @throws {ImageError} WL_IMAGE_IO
 */
export async function removeUnpackedKernels(
  cacheFolder: string,
  inUse: ReadonlySet<string>,
): Promise<number> {
  let freedBytes = 0;
  const names = await readdir(cacheFolder).catch(() => []);
  for (const name of names.filter((found) => FOLDER.test(found))) {
    const folder = join(cacheFolder, name);
    const isOurs = FOLDERS.includes(name);
    for (const file of await withIoError("read", folder, readdir(folder))) {
      if (isOurs && inUse.has(file)) continue;
      const path = join(folder, file);
      const found = await stat(path).catch(() => undefined);
      // A second name of a file that stays gives nothing back.
      if (found?.nlink === 1) freedBytes += found.blocks * 512;
      await withIoError("write", path, rm(path, { force: true, recursive: true }));
    }
    if (!isOurs) await withIoError("write", folder, rm(folder, { force: true, recursive: true }));
  }
  return freedBytes;
}
