/**
 * The kernel file that a machine boots. A bzImage unpacks itself, which takes an emulated CPU about
 * 0.3 s; we unpack it once on the host and boot the ELF kernel inside through its PVH entry
 * (Documentation/x86/boot.rst; xen/include/public/arch-x86/hvm/start_info.h). The unpacked one is in the
 * cache under the digest of the packed one.
 */
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { withIoError } from "../runtimes/io-error.ts";
import { pathBeside } from "../store/replace-file.ts";
import { isElfKernel, unpackKernel } from "./bz-image.ts";

const PAGE_BYTES = 4096;
/** In the cache. */
export const UNPACKED_KERNELS_FOLDER = "vmlinux";

export interface PackedKernel {
  readonly path: string;
  /** SHA-256 in hex. */
  readonly digest: string;
}

/** @returns the path of an ELF kernel, or the packed one's where it cannot be unpacked */
export async function bootKernel(kernel: PackedKernel, cacheFolder: string): Promise<string> {
  const folder = join(cacheFolder, UNPACKED_KERNELS_FOLDER);
  const path = join(folder, kernel.digest);
  if (await stat(path).catch(() => undefined)) return path;
  const bytes = await withIoError("read", kernel.path, readFile(kernel.path));
  if (isElfKernel(bytes)) return kernel.path;
  const unpacked = unpackKernel(bytes, kernel.path);
  if (!unpacked) return kernel.path;
  await withIoError("write", folder, mkdir(folder, { recursive: true }));
  const beside = pathBeside(path);
  try {
    await withIoError("write", beside, writeSparse(beside, unpacked));
    await withIoError("write", path, rename(beside, path));
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
  return path;
}

/** A quarter of an unpacked kernel is zeros; they stay holes in the file. */
async function writeSparse(path: string, bytes: Buffer): Promise<void> {
  const zeros = Buffer.alloc(PAGE_BYTES);
  const isHole = (at: number): boolean =>
    zeros
      .subarray(0, Math.min(PAGE_BYTES, bytes.length - at))
      .equals(bytes.subarray(at, at + PAGE_BYTES));
  await using file = await open(path, "wx");
  for (let at = 0; at < bytes.length; ) {
    let end = at;
    while (end < bytes.length && !isHole(end)) end += PAGE_BYTES;
    if (end > at) await file.write(bytes, at, Math.min(end, bytes.length) - at, at);
    at = end + PAGE_BYTES;
  }
  await file.truncate(bytes.length);
}
