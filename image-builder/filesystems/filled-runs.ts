/** Holes instead of zeros: which parts of some bytes a file has to store. */

/** What is looked at as one; a file system stores no less than its block, and each run is a call. */
export const HOLE_UNIT_BYTES = 64 * 1024;
const ZEROS = new Uint8Array(HOLE_UNIT_BYTES);

export interface FilledRun {
  /** In the bytes. */
  readonly offsetBytes: number;
  readonly bytes: Uint8Array;
}

/** Everything but whole units of zeros, in order and as few runs as can be. */
export function* filledRuns(bytes: Uint8Array): Generator<FilledRun> {
  let start = 0;
  for (let at = 0; at < bytes.length; at += HOLE_UNIT_BYTES) {
    const unit = bytes.subarray(at, at + HOLE_UNIT_BYTES);
    if (unit.length < HOLE_UNIT_BYTES || Buffer.compare(unit, ZEROS) !== 0) continue;
    if (at > start) yield { offsetBytes: start, bytes: bytes.subarray(start, at) };
    start = at + HOLE_UNIT_BYTES;
  }
  if (start < bytes.length) yield { offsetBytes: start, bytes: bytes.subarray(start) };
}
