/**
 * The workload of xmalloc-test, by C. Lever and D. Boreham ("malloc() performance in a multithreaded Linux
 * environment", USENIX 2000, FREENIX track), in the form that mimalloc-bench has it: what one thread
 * allocates, another frees.
 *
 * Taken over: producers that fill batches of 4096 objects and queue them, consumers that free a batch whole,
 * the one that was queued last first; a batch's table is an object itself; 64 bytes an object, or one of
 * the seventeen sizes of `-s -1`.
 * Not taken over: its random numbers; a run of five seconds (40 batches here); a queue of at most 100 batches
 * (16 here); what a producer holds at the end is lost in the original.
 */
import type { Trace } from "../trace.ts";
import { Random } from "./random.ts";
import {
  interleave,
  scaled,
  type Thread,
  TraceScript,
  type Workload,
  type WorkloadOptions,
} from "./workload.ts";

const PRODUCERS = 4;
const CONSUMERS = 4;
const BATCHES_PER_PRODUCER = 10;
const QUEUE_MAX = 16;
const BATCH_OBJECTS = 4096;
const POINTER_BYTES = 8;

/** By itself each is as likely as the others. */
export const XMALLOC_SIZES: readonly number[] = [
  8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048,
];

export const xmalloc64: Workload = {
  description: "Objects of 64 bytes that one thread allocates and another frees",
  make: (options = {}) => makeXmalloc("xmalloc-64", [64], options),
};

export const xmallocMix: Workload = {
  description: "Objects of 8 to 2048 bytes that one thread allocates and another frees",
  make: (options = {}) => makeXmalloc("xmalloc-mix", XMALLOC_SIZES, options),
};

interface Batch {
  readonly table: number;
  readonly objects: readonly number[];
}

function makeXmalloc(name: string, sizes: readonly number[], options: WorkloadOptions): Trace {
  const random = new Random(options.seed ?? 1);
  const script = new TraceScript();
  const perBatch = scaled(BATCH_OBJECTS, options);
  const queue: Batch[] = [];
  let producing = PRODUCERS;
  function* produce(cpu: number): Thread {
    for (let count = 0; count < BATCHES_PER_PRODUCER; count += 1) {
      // The link to the next batch comes first.
      const table = script.allocate(POINTER_BYTES + perBatch * POINTER_BYTES, cpu);
      const objects: number[] = [];
      while (objects.length < perBatch) {
        objects.push(script.allocate(sizes[random.below(sizes.length)] ?? 0, cpu));
        yield;
      }
      while (queue.length >= QUEUE_MAX) yield;
      queue.push({ table, objects });
    }
    producing -= 1;
  }
  function* consume(cpu: number): Thread {
    while (producing > 0 || queue.length > 0) {
      const batch = queue.pop();
      for (const id of batch?.objects ?? []) {
        script.free(id, cpu);
        yield;
      }
      if (batch) script.free(batch.table, cpu);
      yield;
    }
  }
  interleave(random, [
    ...Array.from({ length: PRODUCERS }, (_, index) => produce(index)),
    ...Array.from({ length: CONSUMERS }, (_, index) => consume(PRODUCERS + index)),
  ]);
  return script.build(name);
}
