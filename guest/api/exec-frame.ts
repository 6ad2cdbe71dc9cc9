/**
 * The upgraded exec stream, both directions: frames one after the other.
 *
 * | offset | length | meaning                                  |
 * |--------|--------|------------------------------------------|
 * | 0      | 1      | type, see `EXEC_FRAME`                   |
 * | 1      | 4      | length of the payload, big-endian        |
 * | 5      | length | payload                                  |
 *
 * The client's first frame is `open` (JSON `ExecOpen`); then it sends `stdin`, `stdin-eof`, `resize`
 * (JSON) and `signal` (its name). The agent sends `stdout` and `stderr`, and last `exit` (JSON
 * `ExecExit`) or `error` (JSON `ErrorReply`), then closes.
 */
export const EXEC_FRAME = {
  open: 0,
  stdin: 1,
  stdout: 2,
  stderr: 3,
  "stdin-eof": 4,
  exit: 5,
  resize: 6,
  signal: 7,
  error: 8,
} as const;
export type ExecFrameType = keyof typeof EXEC_FRAME;

export interface ExecFrame {
  readonly type: ExecFrameType;
  readonly payload: Buffer;
}

/** A longer payload is a protocol error: nobody sends more than a pipe's worth at once. */
export const EXEC_FRAME_MAX_BYTES = 1024 * 1024;

const HEADER_BYTES = 5;
const typeNames = Object.keys(EXEC_FRAME) as ExecFrameType[];

/** @throws {RangeError} when the payload is longer than EXEC_FRAME_MAX_BYTES */
export function encodeExecFrame(type: ExecFrameType, payload: Uint8Array | string = ""): Buffer {
  const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
  if (bytes.length > EXEC_FRAME_MAX_BYTES) {
    throw new RangeError(`exec frame of ${bytes.length} bytes is too long`);
  }
  const frame = Buffer.allocUnsafe(HEADER_BYTES + bytes.length);
  frame[0] = EXEC_FRAME[type];
  frame.writeUInt32BE(bytes.length, 1);
  frame.set(bytes, HEADER_BYTES);
  return frame;
}

/** Cuts a byte stream into frames, whatever the pieces it arrives in. Holds one frame at most. */
export class ExecFrameDecoder {
  #pieces: Buffer[] = [];
  #sizeBytes = 0;

  /** @throws {RangeError} on an unknown type or a payload that is too long */
  *push(chunk: Buffer): Generator<ExecFrame> {
    this.#pieces.push(chunk);
    this.#sizeBytes += chunk.length;
    while (this.#sizeBytes >= HEADER_BYTES) {
      const header = this.#join(HEADER_BYTES);
      const type = typeNames[header.readUInt8(0)];
      const length = header.readUInt32BE(1);
      if (type === undefined) throw new RangeError(`exec frame type ${header[0]} is unknown`);
      if (length > EXEC_FRAME_MAX_BYTES) {
        throw new RangeError(`exec frame of ${length} bytes is too long`);
      }
      if (this.#sizeBytes < HEADER_BYTES + length) return;
      const whole = this.#join(HEADER_BYTES + length);
      this.#pieces[0] = whole.subarray(HEADER_BYTES + length);
      this.#sizeBytes -= HEADER_BYTES + length;
      yield { type, payload: whole.subarray(HEADER_BYTES, HEADER_BYTES + length) };
    }
  }

  /** The first piece, made at least this long; joins the pieces only when a frame spans them. */
  #join(lengthBytes: number): Buffer {
    const first = this.#pieces[0];
    if (first && first.length >= lengthBytes) return first;
    const whole = Buffer.concat(this.#pieces);
    this.#pieces = [whole];
    return whole;
  }
}
