/**
 * Makes a file sparse: whole blocks of zeros become holes, for which the file system keeps nothing. It reads as before,
 * also for those who have it open or mapped. As `fallocate --dig-holes` of util-linux, which would also have the kernel
 * forget what else it has of the file.
 */
import { type FileHandle, open } from "node:fs/promises";
import { constants } from "node:os";
import { getSystemErrorName } from "node:util";
import { withIoError } from "../runtimes/io-error.ts";
import { lastErrno, libcFunction } from "./libc.ts";

/** FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE (include/uapi/linux/falloc.h) */
const PUNCH_HOLE = 3;
/** lseek(2) */
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
/** A page: no file system that has holes has smaller ones. */
const BLOCK_BYTES = 4096;
const READ_BYTES = 1024 * 1024;
const ZEROS = Buffer.alloc(READ_BYTES);

export interface Range {
  readonly from: number;
  readonly to: number;
}

export interface DigOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Its time of last change is that of the last hole.
 *
 * @returns false when its file system has no holes
 * @throws {ImageError} WL_IMAGE_IO; or the signal's reason
 */
export function digHoles(path: string, options: DigOptions = {}): Promise<boolean> {
  return withIoError("write", path, dig(path, options));
}

async function dig(path: string, { signal }: DigOptions): Promise<boolean> {
  await using file = await open(path, "r+");
  const buffer = Buffer.alloc(READ_BYTES);
  for (let data = nextData(file, 0); data; data = nextData(file, data.to)) {
    for (let from = data.from; from < data.to; from += READ_BYTES) {
      signal?.throwIfAborted();
      const length = Math.min(READ_BYTES, data.to - from);
      const { bytesRead } = await file.read(buffer, 0, length, from);
      for (const zeros of zeroRuns(buffer.subarray(0, bytesRead))) {
        if (!punch(file, { from: from + zeros.from, to: from + zeros.to })) return false;
      }
    }
  }
  return true;
}

/** Whole blocks of zeros. */
export function zeroRuns(bytes: Buffer): Range[] {
  const runs: Range[] = [];
  let from: number | undefined;
  let at = 0;
  for (; at + BLOCK_BYTES <= bytes.length; at += BLOCK_BYTES) {
    const isZero = bytes.compare(ZEROS, 0, BLOCK_BYTES, at, at + BLOCK_BYTES) === 0;
    if (isZero) from ??= at;
    else if (from !== undefined) {
      runs.push({ from, to: at });
      from = undefined;
    }
  }
  if (from !== undefined) runs.push({ from, to: at });
  return runs;
}

/** @returns undefined behind the last one */
function nextData({ fd }: FileHandle, position: number): Range | undefined {
  const lseek = libcFunction("long lseek(int, long, int)");
  const from = lseek(fd, position, SEEK_DATA);
  if (from < 0 && lastErrno() === constants.errno.ENXIO) return undefined;
  return { from: check(from, "lseek"), to: check(lseek(fd, from, SEEK_HOLE), "lseek") };
}

function punch({ fd }: FileHandle, { from, to }: Range): boolean {
  const fallocate = libcFunction("int fallocate(int, int, long, long)");
  const result = fallocate(fd, PUNCH_HOLE, from, to - from);
  if (result !== 0 && lastErrno() === constants.errno.EOPNOTSUPP) return false;
  check(result, "fallocate");
  return true;
}

function check(result: number, call: string): number {
  if (result >= 0) return result;
  const errno = lastErrno();
  const code = getSystemErrorName(-errno);
  throw Object.assign(new Error(`${call}: ${code}`), { code, errno, syscall: call });
}
