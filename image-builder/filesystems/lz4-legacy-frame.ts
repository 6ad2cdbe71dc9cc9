/**
 * LZ4 legacy frame, reading side (lz4_Frame_format.md, "Legacy frame"): what `lz4 -l` writes and
 * Linux kernels are packed with.
 *
 * | offset | length | meaning                                              |
 * |--------|--------|------------------------------------------------------|
 * | 0      | 4      | magic 0x184C2102, little endian                      |
 * | 4      | 4      | bytes of the next block, little endian               |
 * | 8      | n      | LZ4 block of 8 MiB of content, the last one shorter  |
 *
 * Size and block repeat to the end. A kernel's payload carries four more bytes, the total size of
 * its content; they are recognised by that value.
 */
import { decompressLz4Block } from "./lz4-decompressor.ts";

/** First four bytes of a legacy frame as a little-endian number. */
export const LZ4_LEGACY_MAGIC = 0x184c2102;
/** Content bytes of every block but the last. */
export const LZ4_LEGACY_BLOCK_BYTES = 8 * 1024 * 1024;

export interface Lz4LegacyOptions {
  /** The most bytes the content may have. Default 512 MiB. */
  readonly maxBytes?: number;
}

/** @throws {RangeError} when the frame is malformed, cut off, or holds more than `maxBytes` */
export function decompressLz4Legacy(
  frame: Uint8Array,
  { maxBytes = 512 * 1024 * 1024 }: Lz4LegacyOptions = {},
): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < 4 || view.getUint32(0, true) !== LZ4_LEGACY_MAGIC) {
    throw new RangeError("LZ4 legacy frame does not begin with its magic number");
  }
  const parts: Uint8Array[] = [];
  const block = new Uint8Array(LZ4_LEGACY_BLOCK_BYTES);
  let totalBytes = 0;
  for (let at = 4; at < frame.length; ) {
    if (frame.length - at < 4) throw new RangeError("LZ4 legacy frame is cut off");
    const sizeBytes = view.getUint32(at, true);
    at += 4;
    if (at === frame.length && sizeBytes === totalBytes) break;
    // Frames may be concatenated.
    if (sizeBytes === LZ4_LEGACY_MAGIC) continue;
    if (sizeBytes > frame.length - at) throw new RangeError("LZ4 legacy frame is cut off");
    const contentBytes = decompressLz4Block(frame.subarray(at, at + sizeBytes), block);
    totalBytes += contentBytes;
    if (totalBytes > maxBytes) {
      throw new RangeError(`LZ4 legacy frame holds more than ${maxBytes} bytes`);
    }
    parts.push(block.slice(0, contentBytes));
    at += sizeBytes;
  }
  return Buffer.concat(parts, totalBytes);
}
