/**
 * Packs segments in worker threads.
 *
 * How a worker gets its code: from the source text of two self-contained factories, started with
 * `eval`. A worker file would have to be found beside this module as .ts under tsx, as .js in `dist/`
 * and inside a bundle's chunk; text works in all three, minified or not (but not minified with
 * esbuild's `keepNames`, which renames its helper). The price is that the factories may use nothing
 * from outside their bodies; a test runs the pool from a minified bundle.
 */
import { Worker } from "node:worker_threads";
import { createLz4Compressor } from "./lz4-compressor.ts";
import { createSegmentPacker, type PackedSegment } from "./segment-packer.ts";

export interface PackerPoolOptions {
  /** Threads; 0 packs in the caller's thread. */
  readonly workerCount: number;
  /** See `createSegmentPacker`. */
  readonly clusterBytes: number;
  /** See `createLz4Compressor`. */
  readonly searchDepth: number;
}

export interface PackerPool extends AsyncDisposable {
  /**
   * Packs one segment. Takes the segment's buffer away from the caller. The caller bounds how many
   * are under way.
   */
  pack(segment: Uint8Array<ArrayBuffer>): Promise<PackedSegment>;
  /** Ends the threads; segments under way are rejected. Idempotent. */
  close(): Promise<void>;
}

export function openPackerPool(options: PackerPoolOptions): PackerPool {
  const { workerCount, clusterBytes, searchDepth } = options;
  if (workerCount === 0) {
    const pack = createSegmentPacker(createLz4Compressor(searchDepth), clusterBytes);
    const close = async (): Promise<void> => {};
    return { pack: async (segment) => pack(segment), close, [Symbol.asyncDispose]: close };
  }
  const threads = Array.from({ length: workerCount }, () => startThread(clusterBytes, searchDepth));
  const close = async (): Promise<void> => {
    await Promise.all(threads.map((thread) => thread.close()));
  };
  return {
    pack(segment) {
      const idlest = threads.reduce((a, b) => (b.jobs.length < a.jobs.length ? b : a));
      return idlest.pack(segment);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

interface Job {
  resolve(packed: PackedSegment): void;
  reject(error: Error): void;
}

interface Thread {
  /** Under way, oldest first: a thread answers in the order it was asked. */
  readonly jobs: readonly Job[];
  pack(segment: Uint8Array<ArrayBuffer>): Promise<PackedSegment>;
  close(): Promise<void>;
}

function startThread(clusterBytes: number, searchDepth: number): Thread {
  const worker = new Worker(threadSource(), {
    eval: true,
    // tsx and c8 hook every thread through these; this source needs neither.
    execArgv: [],
    workerData: { clusterBytes, searchDepth },
  });
  const jobs: Job[] = [];
  const failAll = (error: Error): void => {
    for (const job of jobs.splice(0)) job.reject(error);
  };
  worker.on("message", (packed: PackedSegment) => jobs.shift()?.resolve(packed));
  worker.on("error", failAll);
  worker.on("exit", () => failAll(new Error("The packing thread has ended")));
  return {
    jobs,
    pack: (segment) =>
      new Promise((resolve, reject) => {
        jobs.push({ resolve, reject });
        worker.postMessage(segment, [segment.buffer]);
      }),
    close: async () => {
      await worker.terminate();
    },
  };
}

/** The program of a thread. esbuild with `keepNames` (tsx) wraps functions in `__name`. */
function threadSource(): string {
  return `"use strict";
const __name = (value) => value;
const { parentPort, workerData } = require("node:worker_threads");
const compressor = (${createLz4Compressor.toString()})(workerData.searchDepth);
const pack = (${createSegmentPacker.toString()})(compressor, workerData.clusterBytes);
parentPort.on("message", (segment) => {
  const packed = pack(segment);
  parentPort.postMessage(packed, [packed.bytes.buffer, packed.extents.buffer]);
});
`;
}
