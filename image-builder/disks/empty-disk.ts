/**
 * The empty disks that overlays stand on: `disks/HEX.ext4` in the data folder, one per size, shared by
 * all instances, some 30 KiB of the host each. They stay: any overlay may need one for ever. One that
 * was lost is made again, because the same size gives the same bytes.
 */
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { contentDigest, emptyExt4, writeDisk } from "../filesystems/ext4-writer.ts";
import { withIoError } from "../runtimes/io-error.ts";
import { pathBeside, removeDeadRemains } from "../store/replace-file.ts";

/** Nobody writes to it, not even by mistake: every overlay would change. */
const READ_ONLY_MODE = 0o400;

/**
 * @param dataFolder Folders.data
 * @returns the path of an empty ext4 disk of that size
 * @throws {ImageError} WL_IMAGE_IO
 */
export async function emptyDisk(dataFolder: string, sizeMib: number): Promise<string> {
  const content = emptyExt4(sizeMib);
  const folder = join(dataFolder, "disks");
  const path = join(folder, `${contentDigest(content)}.ext4`);
  const found = await stat(path).catch(() => undefined);
  if (found?.size === content.sizeBytes) return path;
  await withIoError("write", folder, mkdir(folder, { recursive: true }));
  await removeDeadRemains(folder);
  const beside = pathBeside(path);
  try {
    await withIoError("write", path, writeDisk(beside, content, READ_ONLY_MODE));
    await withIoError("write", path, rename(beside, path));
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
  return path;
}
