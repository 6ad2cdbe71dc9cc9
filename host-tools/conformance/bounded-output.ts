/** The output of a program, of which only so much is kept. */
import type { Readable } from "node:stream";
import { OUTPUT_MAX_BYTES } from "./target.ts";

export interface BoundedOutput {
  readonly bytes: Buffer;
  /** Of everything, also of what is not kept. */
  readonly sizeBytes: number;
}

/** Reads to the end, or to the loss, of the stream. */
export async function readBounded(stream: Readable): Promise<BoundedOutput> {
  const kept: Buffer[] = [];
  let keptBytes = 0;
  let sizeBytes = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length;
      const piece = chunk.subarray(0, OUTPUT_MAX_BYTES - keptBytes);
      if (piece.length > 0) kept.push(piece);
      keptBytes += piece.length;
    }
  } catch {
    // How the program ended says what happened.
  }
  return { bytes: Buffer.concat(kept), sizeBytes };
}
