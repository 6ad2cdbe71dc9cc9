/**
 * The workload of mstress, D. Leijen's stress test of mimalloc, in the form that mimalloc-bench runs it: `mstress
 * N 50 25`.
 *
 * Taken over: threads of unequal length; words in powers of two, up to 16 for objects that come and go and up
 * to 64 for those that are retained to the thread's end; of 100 objects 2 are a hundred times as long, of
 * these 11 of 100 a thousand times and 2 of 100 ten thousand times; a freed object is a random one, an
 * exchanged one changes places with one of a thousand that all threads see, of which half are freed after
 * each round; tables of the objects are objects themselves.
 * Not taken over: its random numbers; a load of 50 (15 here), 25 rounds (3 here), as many threads as CPUs (4
 * here).
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
const LOAD = 15;
const ROUNDS = 3;
const ALLOCATIONS_PER_LOAD = 100;
const TRANSFERS = 1000;
const TABLE_LENGTH = 100_000;
const WORD_BYTES = 8;
/** Exponents of two, in words; not themselves possible. */
const SHIFT_LIMIT = 5;
const RETAINED_SHIFT_LIMIT = 7;

export const mstress: Workload = {
  description: "Objects of 8 bytes to 5 MiB, some retained, some exchanged between threads",
  make: (options = {}) => makeMstress(options),
};

/** Of objects that are gone: "none" in a place. */
type Places = (number | undefined)[];

function makeMstress(options: WorkloadOptions): Trace {
  const random = new Random(options.seed ?? 1);
  const script = new TraceScript();
  const transfers: Places = new Array(scaled(TRANSFERS, options)).fill(undefined);
  for (let round = 1; round <= ROUNDS; round += 1) {
    const threads = Array.from({ length: THREADS }, (_, cpu) => {
      const count = scaled(ALLOCATIONS_PER_LOAD * LOAD, options) * (cpu + 1);
      return thread({ script, random, transfers, cpu }, count);
    });
    interleave(random, threads);
    for (let index = 0; index < transfers.length; index += 1) {
      if (percent(random, 50) || round === ROUNDS) freePlace(script, transfers, index, 0);
    }
  }
  return script.build("mstress");
}

interface Context {
  readonly script: TraceScript;
  readonly random: Random;
  readonly transfers: Places;
  readonly cpu: number;
}

function* thread({ script, random, transfers, cpu }: Context, count: number): Thread {
  let allocations = count;
  let retain = Math.floor(count / 2);
  const retainedTable = script.allocate(retain * WORD_BYTES, cpu);
  let table: number | undefined;
  const objects: Places = [];
  const retained: Places = [];
  const allocate = (shiftLimit: number): number =>
    script.allocate(wordsOf(random, 2 ** random.below(shiftLimit)) * WORD_BYTES, cpu);
  while (allocations > 0 || retain > 0) {
    if (retain === 0 || (percent(random, 50) && allocations > 0)) {
      allocations -= 1;
      table ??= script.allocate(TABLE_LENGTH * WORD_BYTES, cpu);
      objects.push(allocate(SHIFT_LIMIT));
    } else {
      retained.push(allocate(RETAINED_SHIFT_LIMIT));
      retain -= 1;
    }
    if (percent(random, 66) && objects.length > 0) {
      freePlace(script, objects, random.below(objects.length), cpu);
    }
    if (percent(random, 25) && objects.length > 0) {
      const from = random.below(objects.length);
      const to = random.below(transfers.length);
      [objects[from], transfers[to]] = [transfers[to], objects[from]];
    }
    yield;
  }
  for (let index = 0; index < retained.length; index += 1) {
    freePlace(script, retained, index, cpu);
    yield;
  }
  for (let index = 0; index < objects.length; index += 1) {
    freePlace(script, objects, index, cpu);
    yield;
  }
  script.free(retainedTable, cpu);
  if (table !== undefined) script.free(table, cpu);
}

function wordsOf(random: Random, words: number): number {
  if (!percent(random, 1)) return words;
  if (percent(random, 1)) return words * 10_000;
  return words * (percent(random, 10) ? 1000 : 100);
}

/** As the original has it: one more of a hundred than it says. */
function percent(random: Random, share: number): boolean {
  return random.below(100) <= share;
}

function freePlace(script: TraceScript, places: Places, index: number, cpu: number): void {
  const id = places[index];
  if (id !== undefined) script.free(id, cpu);
  places[index] = undefined;
}
