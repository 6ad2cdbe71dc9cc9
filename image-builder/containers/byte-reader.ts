/** Takes exact numbers of bytes from a stream of pieces. */
import { containerError } from "./container-error.ts";

export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  /** What is read and not taken. */
  #rest: Uint8Array = new Uint8Array(0);
  #takenBytes = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** How many bytes were taken so far. */
  get positionBytes(): number {
    return this.#takenBytes;
  }

  /** Up to `count` bytes that are at hand, at least one; undefined at the end. Valid until the next call. */
  async some(count: number): Promise<Uint8Array | undefined> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#source.next();
      if (done) return undefined;
      this.#rest = value;
    }
    const piece = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(piece.length);
    this.#takenBytes += piece.length;
    return piece;
  }

  /**
   * Exactly `count` bytes, in a buffer of their own when they come in several pieces.
   *
   * @returns undefined when the stream ends before the first
   * @throws {ImageError} WL_IMAGE_CONTAINER_INVALID when it ends in the middle
   */
  async exactly(count: number): Promise<Buffer | undefined> {
    const first = await this.some(count);
    if (!first) return undefined;
    if (first.length === count) return Buffer.from(first.buffer, first.byteOffset, count);
    const whole = Buffer.alloc(count);
    whole.set(first);
    for (let filled = first.length; filled < count; ) {
      const piece = await this.some(count - filled);
      if (!piece) throw cutOff(this.#takenBytes);
      whole.set(piece, filled);
      filled += piece.length;
    }
    return whole;
  }

  /** The next `count` bytes, piece by piece. */
  async *pieces(count: number): AsyncGenerator<Uint8Array> {
    for (let left = count; left > 0; ) {
      const piece = await this.some(left);
      if (!piece) throw cutOff(this.#takenBytes);
      left -= piece.length;
      yield piece;
    }
  }

  async skip(count: number): Promise<void> {
    if ((await this.skipAtMost(count)) < count) throw cutOff(this.#takenBytes);
  }

  /** @returns how many bytes there were to skip */
  async skipAtMost(count: number): Promise<number> {
    let skipped = 0;
    while (skipped < count) {
      const piece = await this.some(count - skipped);
      if (!piece) break;
      skipped += piece.length;
    }
    return skipped;
  }

  /** Reads to the end, so that whoever counts or hashes the stream sees all of it. */
  async drain(): Promise<void> {
    while (await this.some(Number.MAX_SAFE_INTEGER));
  }

  /** Ends the stream early. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }
}

function cutOff(atBytes: number): Error {
  return containerError(`The archive is cut off after ${atBytes} bytes`);
}
