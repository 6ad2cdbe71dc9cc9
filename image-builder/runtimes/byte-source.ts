/**
 * Random access to the bytes of a file without holding it: blocks are read on demand and a handful
 * of them is kept, so that many small reads of one region cost one system call.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { ImageError } from "../errors.ts";
import { ioError, withIoError } from "./io-error.ts";

export interface ByteSource {
  readonly sizeBytes: number;
  /**
   * Exactly the bytes asked for; the result may be a view and must not be written to.
   *
   * @throws {RangeError} when the range is not inside the source
   */
  read(offset: number, lengthBytes: number): Promise<Uint8Array>;
}

const BLOCK_BYTES = 16_384;
const BLOCKS_KEPT = 8;

export function bytesSource(bytes: Uint8Array): ByteSource {
  return {
    sizeBytes: bytes.length,
    read: async (offset, lengthBytes) => {
      checkRange(offset, lengthBytes, bytes.length);
      return bytes.subarray(offset, offset + lengthBytes);
    },
  };
}

/**
 * Opens a regular file for the time of `use`.
 *
 * @throws {ImageError} WL_IMAGE_IO when the file cannot be opened or read
 */
export async function withFileSource<T>(
  path: string,
  use: (source: ByteSource) => Promise<T>,
  options: { signal?: AbortSignal } = {},
): Promise<T> {
  options.signal?.throwIfAborted();
  // Non-blocking, so that a named pipe in a project cannot hold the build.
  const handle = await withIoError(
    "read",
    path,
    open(path, constants.O_RDONLY | constants.O_NONBLOCK),
  );
  try {
    const stats = await withIoError("read", path, handle.stat());
    if (!stats.isFile()) throw unreadable(path, "it is not a regular file");
    return await use(fileSource(handle, path, stats.size));
  } finally {
    await handle.close();
  }
}

function fileSource(handle: FileHandle, path: string, sizeBytes: number): ByteSource {
  const blocks = new Map<number, Uint8Array>();

  const readExactly = async (offset: number, lengthBytes: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(lengthBytes);
    for (let done = 0; done < lengthBytes; ) {
      const reading = handle.read(bytes, done, lengthBytes - done, offset + done);
      const { bytesRead } = await withIoError("read", path, reading);
      if (bytesRead === 0) throw unreadable(path, "it became shorter while it was read");
      done += bytesRead;
    }
    return bytes;
  };
  const block = async (index: number): Promise<Uint8Array> => {
    const kept = blocks.get(index);
    if (kept) return kept;
    const start = index * BLOCK_BYTES;
    const bytes = await readExactly(start, Math.min(BLOCK_BYTES, sizeBytes - start));
    const oldest = blocks.keys().next();
    if (blocks.size >= BLOCKS_KEPT && !oldest.done) blocks.delete(oldest.value);
    blocks.set(index, bytes);
    return bytes;
  };

  return {
    sizeBytes,
    read: async (offset, lengthBytes) => {
      checkRange(offset, lengthBytes, sizeBytes);
      const index = Math.floor(offset / BLOCK_BYTES);
      const within = offset - index * BLOCK_BYTES;
      if (lengthBytes === 0) return new Uint8Array();
      if (within + lengthBytes > BLOCK_BYTES) return readExactly(offset, lengthBytes);
      return (await block(index)).subarray(within, within + lengthBytes);
    },
  };
}

function checkRange(offset: number, lengthBytes: number, sizeBytes: number): void {
  const isInside = offset >= 0 && lengthBytes >= 0 && offset + lengthBytes <= sizeBytes;
  if (!isInside) throw new RangeError(`${offset}+${lengthBytes} is not inside ${sizeBytes} bytes`);
}

function unreadable(path: string, why: string): ImageError {
  return ioError("read", path, why);
}
