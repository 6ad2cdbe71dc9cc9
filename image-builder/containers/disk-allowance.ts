/** How much of the disks an image may take: what is free, less a reserve. */
import { stat, statfs } from "node:fs/promises";
import { ImageError } from "../errors.ts";
import { withIoError } from "../runtimes/io-error.ts";

/** Left to everything else on the machine. */
const RESERVE_BYTES = 512 * 1024 ** 2;

/** Bytes that may still be stored; holes are none. */
export interface DiskAllowance {
  leftBytes: number;
  /** How much it was, and where. */
  readonly limitBytes: number;
  readonly folder: string;
}

export interface DiskFolders {
  /** Where the content of files goes. */
  readonly folder: string;
  /** Where the image is written from it; on the same disk, everything is there twice for a time. */
  readonly storeFolder: string;
  readonly reserveBytes?: number | undefined;
}

/** @throws {ImageError} WL_IMAGE_IO when a folder cannot be looked at */
export async function diskAllowance({
  folder,
  storeFolder,
  reserveBytes = RESERVE_BYTES,
}: DiskFolders): Promise<DiskAllowance> {
  const [here, store] = [await diskOf(folder), await diskOf(storeFolder)];
  const isSame = here.device === store.device;
  const tight = store.freeBytes < here.freeBytes ? storeFolder : folder;
  const freeBytes = Math.min(here.freeBytes, store.freeBytes) - reserveBytes;
  const limitBytes = Math.max(0, Math.floor(isSame ? freeBytes / 2 : freeBytes));
  return { leftBytes: limitBytes, limitBytes, folder: tight };
}

/** @throws {ImageError} WL_IMAGE_IO when it is more than is left */
export function takeDisk(allowance: DiskAllowance, sizeBytes: number): void {
  allowance.leftBytes -= sizeBytes;
  if (allowance.leftBytes >= 0) return;
  const { folder, limitBytes } = allowance;
  throw new ImageError(
    "WL_IMAGE_IO",
    `Cannot unpack the image: its files have over ${Math.floor(limitBytes / 1024 ** 2)} MiB, which is what the disk of ${JSON.stringify(folder)} has room for`,
    {
      file: folder,
      next: "Free space on that disk, or put WINDLASS_HOME on a larger one",
    },
  );
}

async function diskOf(folder: string): Promise<{ device: number; freeBytes: number }> {
  const { bavail, bsize } = await withIoError("read", folder, statfs(folder));
  const { dev } = await withIoError("read", folder, stat(folder));
  return { device: dev, freeBytes: bavail * bsize };
}
