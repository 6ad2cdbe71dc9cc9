/**
 * LZ4 block format, compressing side (lz4_Block_format.md of the LZ4 project).
 *
 * A block is a row of sequences: token, literal length, literals, match offset (u16 LE), match length.
 * The format ends a block with literals: the last 5 bytes are literals and the last match starts at
 * least 12 bytes before the end.
 *
 * The factory is self-contained on purpose: it uses nothing outside its own body, because worker
 * threads are started from its source text (see `packer-pool.ts`).
 */

export interface Lz4Compressor {
  /** Takes new input and forgets the old one. All positions below count from its start. */
  load(source: Uint8Array): void;
  /**
   * Compresses input from `start` into `target[0, limitBytes)` until the input (up to `end`) or the
   * target is used up. The block stands alone: no match reaches before `start`. Calls on one input
   * must go forward: `start` never lies before the end of an earlier call.
   *
   * @param limitBytes at least 32
   */
  compress(start: number, end: number, target: Uint8Array, limitBytes: number): Lz4Progress;
}

export interface Lz4Progress {
  /** Input bytes that the block holds. */
  readonly consumedBytes: number;
  /** Bytes of the block. */
  readonly producedBytes: number;
}

/**
 * High-compression matcher: hash chains over the last 64 KiB, lazy evaluation over two positions.
 *
 * @param searchDepth candidates looked at per position, 1 or more; more is smaller and slower
 */
export function createLz4Compressor(searchDepth: number): Lz4Compressor {
  const minMatch = 4;
  const lastLiterals = 5;
  const matchStartMargin = 12;
  const maxDistance = 65_535;
  const hashBits = 16;
  // A match this long is taken without looking for a better one.
  const niceLength = 128;
  // Smallest legal tail after a match: token and 8 literals (a 4-byte match 12 bytes before the end).
  const tailReserve = 9;

  const heads = new Int32Array(1 << hashBits);
  const previous = new Int32Array(65_536);
  let source: Uint8Array = new Uint8Array(0);
  let view: DataView = new DataView(source.buffer);
  let inserted = 0;
  // Result of the last search; module-free state instead of an object per search.
  let matchLength = 0;
  let matchPosition = 0;

  function insertUpTo(position: number): void {
    for (let at = inserted; at < position; at += 1) {
      const hash = Math.imul(view.getInt32(at, true), -1_640_531_535) >>> (32 - hashBits);
      previous[at & 0xffff] = heads[hash] as number;
      heads[hash] = at;
    }
    if (position > inserted) inserted = position;
  }

  function commonLength(first: number, second: number, end: number): number {
    let at = second;
    const shift = second - first;
    while (at + 4 <= end) {
      const difference = view.getInt32(at, true) ^ view.getInt32(at - shift, true);
      if (difference !== 0) {
        return at - second + ((31 - Math.clz32(difference & -difference)) >> 3);
      }
      at += 4;
    }
    while (at < end && source[at] === source[at - shift]) at += 1;
    return at - second;
  }

  /** Looks for a match at `at` longer than `atLeast`; leaves it in matchLength, matchPosition. */
  function search(at: number, lowest: number, matchEnd: number, atLeast: number): void {
    insertUpTo(at);
    const low = Math.max(at - maxDistance, lowest);
    const word = view.getInt32(at, true);
    let candidate = heads[Math.imul(word, -1_640_531_535) >>> (32 - hashBits)] as number;
    let best = atLeast;
    matchLength = 0;
    for (let left = searchDepth; left > 0 && candidate >= low; left -= 1) {
      // Compares where a longer match must agree before it compares from the start. Positions ahead
      // are in the chains when an earlier block ended before its matcher did.
      if (
        candidate < at &&
        source[candidate + best] === source[at + best] &&
        view.getInt32(candidate, true) === word
      ) {
        const length = 4 + commonLength(candidate + 4, at + 4, matchEnd);
        if (length > best) {
          best = length;
          matchLength = length;
          matchPosition = candidate;
          if (length >= niceLength || at + length >= matchEnd) return;
        }
      }
      candidate = previous[candidate & 0xffff] as number;
    }
  }

  /** Bytes that a length takes beside the four bits in the token. */
  function extraBytes(length: number): number {
    return length < 15 ? 0 : 1 + (((length - 15) / 255) | 0);
  }

  function sequenceBytes(literals: number, length: number): number {
    return 3 + extraBytes(literals) + literals + extraBytes(length - minMatch);
  }

  function putLength(target: Uint8Array, at: number, length: number): number {
    let out = at;
    let rest = length;
    for (; rest >= 255; rest -= 255) target[out++] = 255;
    target[out++] = rest;
    return out;
  }

  /** Token and literals; @returns where the match offset goes. */
  function putLiterals(
    target: Uint8Array,
    at: number,
    from: number,
    to: number,
    matchCode: number,
  ): number {
    const literals = to - from;
    target[at] = (Math.min(literals, 15) << 4) | matchCode;
    let out = at + 1;
    if (literals >= 15) out = putLength(target, out, literals - 15);
    if (literals > 64) {
      target.set(source.subarray(from, to), out);
      return out + literals;
    }
    for (let copy = from; copy < to; copy += 1) target[out++] = source[copy] as number;
    return out;
  }

  function load(bytes: Uint8Array): void {
    source = bytes;
    view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    heads.fill(-1);
    inserted = 0;
  }

  function compress(
    start: number,
    end: number,
    target: Uint8Array,
    limitBytes: number,
  ): Lz4Progress {
    const matchEnd = end - lastLiterals;
    const lastMatchStart = end - matchStartMargin;
    let anchor = start;
    let at = start;
    let out = 0;
    if (inserted < start) inserted = start;

    while (at <= lastMatchStart && at - anchor < limitBytes - out) {
      search(at, start, matchEnd, minMatch - 1);
      if (matchLength < minMatch) {
        at += 1;
        continue;
      }
      let from = at;
      let length = matchLength;
      let position = matchPosition;
      // Lazy: a longer match one or two bytes later is worth the literals.
      while (length < niceLength && at < lastMatchStart) {
        search(at + 1, start, matchEnd, length);
        if (matchLength > length) {
          at += 1;
        } else if (at + 1 < lastMatchStart) {
          search(at + 2, start, matchEnd, length + 1);
          if (matchLength <= length + 1) break;
          at += 2;
        } else break;
        from = at;
        length = matchLength;
        position = matchPosition;
      }
      while (from > anchor && position > start && source[from - 1] === source[position - 1]) {
        from -= 1;
        position -= 1;
        length += 1;
      }

      const bytesNeeded = sequenceBytes(from - anchor, length) + tailReserve;
      if (out + bytesNeeded > limitBytes) break;
      out = putLiterals(target, out, anchor, from, Math.min(length - minMatch, 15));
      const offset = from - position;
      target[out++] = offset & 0xff;
      target[out++] = offset >>> 8;
      if (length - minMatch >= 15) out = putLength(target, out, length - minMatch - 15);
      at = from + length;
      anchor = at;
      // Inside a very long match only the last window can serve later matches.
      if (at - inserted > maxDistance) inserted = at - maxDistance;
    }

    // Closing literals: as many as are left or as fit.
    const room = limitBytes - out - 1;
    let literals = Math.min(end - anchor, room);
    while (literals >= 15 && literals + extraBytes(literals) > room) literals -= 1;
    out = putLiterals(target, out, anchor, anchor + literals, 0);
    return { consumedBytes: anchor + literals - start, producedBytes: out };
  }

  return { load, compress };
}
