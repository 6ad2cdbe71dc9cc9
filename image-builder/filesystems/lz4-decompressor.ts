/**
 * LZ4 block format, reading side. Safe on hostile input: every length is checked against both ends
 * before a byte moves.
 */

/**
 * Decompresses one block into `target`.
 *
 * @returns the bytes written, at most `target.length`
 * @throws {RangeError} when the block is malformed or holds more than `target` takes
 */
export function decompressLz4Block(block: Uint8Array, target: Uint8Array): number {
  const blockEnd = block.length;
  const targetEnd = target.length;
  let at = 0;
  let out = 0;
  while (at < blockEnd) {
    const token = block[at++] as number;
    let literals = token >>> 4;
    if (literals === 15) {
      let byte = 255;
      while (byte === 255) {
        if (at >= blockEnd) throw malformed("a literal length runs past the end");
        byte = block[at++] as number;
        literals += byte;
      }
    }
    if (literals > blockEnd - at) throw malformed("literals run past the end");
    if (literals > targetEnd - out) throw malformed("it holds more bytes than expected");
    if (literals > 32) {
      target.set(block.subarray(at, at + literals), out);
      out += literals;
      at += literals;
    } else {
      for (const stop = at + literals; at < stop; ) target[out++] = block[at++] as number;
    }
    // Only the last sequence has no match, and it ends the block.
    if (at === blockEnd) return out;

    if (blockEnd - at < 2) throw malformed("a match offset is cut off");
    const offset = (block[at] as number) | ((block[at + 1] as number) << 8);
    at += 2;
    if (offset === 0 || offset > out) throw malformed("a match reaches before the start");
    let length = (token & 15) + 4;
    if (length === 19) {
      let byte = 255;
      while (byte === 255) {
        if (at >= blockEnd) throw malformed("a match length runs past the end");
        byte = block[at++] as number;
        length += byte;
      }
    }
    if (length > targetEnd - out) throw malformed("it holds more bytes than expected");
    out = copyMatch(target, out, offset, length);
  }
  throw malformed("it ends without closing literals");
}

/** Copies `length` bytes from `offset` bytes back; the ranges overlap when offset < length. */
function copyMatch(target: Uint8Array, out: number, offset: number, length: number): number {
  const stop = out + length;
  if (length < 32) {
    for (let at = out; at < stop; at += 1) target[at] = target[at - offset] as number;
    return stop;
  }
  // Doubling: what is copied already is a source for the rest.
  let at = out;
  const from = out - offset;
  while (at < stop) {
    const size = Math.min(at - from, stop - at);
    target.copyWithin(at, from, from + size);
    at += size;
  }
  return stop;
}

function malformed(why: string): RangeError {
  return new RangeError(`LZ4 block is damaged: ${why}`);
}
