/**
 * The workload of larson, a server simulated by P. Larson and M. Krishnan ("Memory allocation for long-running
 * server applications", ISMM 1998), in the form that mimalloc-bench runs it: `larson 5 8 1000 5000 100 4141 N`.
 *
 * Taken over: 5000 blocks a thread of 8 to 999 bytes, all equally likely; a first thread that allocates all,
 * shuffles them among the threads and replaces four times as many at random; threads that replace a random
 * block of their own at a time, and hand their blocks on to a new thread when they end; nothing is freed at
 * the end.
 * Not taken over: its random numbers; 100 rounds a thread (2 here), five seconds of generations of threads (3
 * generations here); as many threads as CPUs (4 here).
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

const THREADS = 4;
const BLOCKS_PER_THREAD = 5000;
const SIZE_MIN = 8;
/** Not itself possible. */
const SIZE_LIMIT = 1000;
const WARM_UP_ROUNDS = 4;
const ROUNDS = 2;
const GENERATIONS = 3;

export const larson: Workload = {
  description: "A server's blocks of 8 to 999 bytes, replaced at random and handed between threads",
  make: (options = {}) => makeLarson(options),
};

function makeLarson(options: WorkloadOptions): Trace {
  const random = new Random(options.seed ?? 1);
  const script = new TraceScript();
  const perThread = scaled(BLOCKS_PER_THREAD, options);
  const size = (): number => SIZE_MIN + random.below(SIZE_LIMIT - SIZE_MIN);
  const blocks = Array.from({ length: THREADS * perThread }, () => script.allocate(size(), 0));
  shuffle(blocks, random);
  const replace = (index: number, cpu: number): void => {
    const block = blocks[index];
    if (block !== undefined) script.free(block, cpu);
    blocks[index] = script.allocate(size(), cpu);
  };
  for (let count = WARM_UP_ROUNDS * blocks.length; count > 0; count -= 1) {
    replace(random.below(blocks.length), 0);
  }
  function* worker(part: number, cpu: number): Thread {
    for (let count = ROUNDS * perThread; count > 0; count -= 1) {
      replace(part * perThread + random.below(perThread), cpu);
      yield;
    }
  }
  for (let generation = 0; generation < GENERATIONS; generation += 1) {
    const cpuOf = (part: number): number => (part + generation) % THREADS;
    const threads = Array.from({ length: THREADS }, (_, part) => worker(part, cpuOf(part)));
    interleave(random, threads);
  }
  return script.build("larson");
}

function shuffle(items: number[], random: Random): void {
  for (let count = items.length; count > 0; count -= 1) {
    const from = random.below(count);
    const item = items[from] ?? 0;
    items[from] = items[count - 1] ?? 0;
    items[count - 1] = item;
  }
}
