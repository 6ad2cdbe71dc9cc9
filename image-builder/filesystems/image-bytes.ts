/** An image as bytes at positions: what file system readers stand on. */
import { type FileHandle, open } from "node:fs/promises";
import { ImageError } from "../errors.ts";

export interface ImageBytes extends AsyncDisposable {
  readonly sizeBytes: number;
  /** What messages call the image: its path. */
  readonly name: string;
  /**
   * Exactly these bytes.
   *
   * @throws {ImageError} WL_IMAGE_STORE when the range does not lie in the image, WL_IMAGE_IO when it
   *   cannot be read
   */
  read(offsetBytes: number, sizeBytes: number): Promise<Buffer>;
}

/** @throws {ImageError} WL_IMAGE_IO when the file cannot be opened */
export async function openImageBytes(path: string): Promise<ImageBytes> {
  const handle = await open(path, "r").catch(unreadable(path));
  const { size } = await handle.stat().catch(async (cause: unknown) => {
    await handle.close();
    return unreadable(path)(cause);
  });
  return {
    sizeBytes: size,
    name: path,
    async read(offsetBytes, sizeBytes) {
      checkRange(path, offsetBytes, sizeBytes, size);
      return readFully(handle, path, offsetBytes, sizeBytes);
    },
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

/** An image that is in memory. */
export function imageBytesOf(bytes: Uint8Array, name = "image"): ImageBytes {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    sizeBytes: bytes.length,
    name,
    async read(offsetBytes, sizeBytes) {
      checkRange(name, offsetBytes, sizeBytes, bytes.length);
      return buffer.subarray(offsetBytes, offsetBytes + sizeBytes);
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

/** The error for an image whose content contradicts itself. */
export function damaged(name: string, why: string, cause?: unknown): ImageError {
  return new ImageError(
    "WL_IMAGE_STORE",
    `Image ${JSON.stringify(name)} is damaged: ${why}`,
    { file: name, next: "Build the image again" },
    cause,
  );
}

function checkRange(name: string, offset: number, sizeBytes: number, limit: number): void {
  if (offset >= 0 && sizeBytes >= 0 && offset + sizeBytes <= limit) return;
  throw damaged(name, `it points to bytes ${offset} to ${offset + sizeBytes} of ${limit}`);
}

async function readFully(
  handle: FileHandle,
  path: string,
  offsetBytes: number,
  sizeBytes: number,
): Promise<Buffer> {
  const bytes = Buffer.alloc(sizeBytes);
  for (let filled = 0; filled < sizeBytes; ) {
    const { bytesRead } = await handle
      .read(bytes, filled, sizeBytes - filled, offsetBytes + filled)
      .catch(unreadable(path));
    if (bytesRead === 0) throw damaged(path, "it became shorter while it was read");
    filled += bytesRead;
  }
  return bytes;
}

function unreadable(path: string): (cause: unknown) => never {
  return (cause) => {
    throw new ImageError(
      "WL_IMAGE_IO",
      `Cannot read image ${JSON.stringify(path)}: ${cause instanceof Error ? cause.message : cause}`,
      { file: path, next: "Check that the file exists and is readable" },
      cause,
    );
  };
}
