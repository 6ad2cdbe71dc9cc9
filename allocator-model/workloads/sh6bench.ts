/**
 * The workload of sh6bench, MicroQuill's benchmark for SmartHeap, in the form that mimalloc-bench runs it. The
 * program may not be passed on; its distribution is published, among others in the version for Theseus OS.
 *
 * Taken over: sizes in runs that begin at 1, 2, 4, 7, 11 and so on up to 709 and go on to halves; 250 objects in a
 * row of a size below 100, 50 of a larger one; a table of objects that is filled to its end, then all are freed
 * but for a fifth that wanders through the table: those before it from the first on, those behind it from the
 * last back.
 * Not taken over: 10 000 calls (3 a thread here); a table as long as there are calls (10 000 here); as many
 * threads as twice the CPUs (4 here). What is left at the end is all freed here.
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
/** Three calls. */
const OBJECTS_PER_THREAD = 3 * 19_300;
const TABLE_LENGTH = 10_000;
const SIZE_MIN = 1;
/** No run begins there or above. */
const SIZE_LIMIT = 1000;
/** Of the table, one part in so many outlives a round. */
const KEPT_PART = 5;

export const sh6bench: Workload = {
  description: "Objects of 1 to 709 bytes in runs of one size, freed in both orders",
  make: (options = {}) => makeSh6bench(options),
};

function makeSh6bench(options: WorkloadOptions): Trace {
  const random = new Random(options.seed ?? 1);
  const script = new TraceScript();
  const count = scaled(OBJECTS_PER_THREAD, options);
  const threads = Array.from({ length: THREADS }, (_, cpu) => {
    return thread(new ObjectTable(script, scaled(TABLE_LENGTH, options), cpu), count);
  });
  interleave(random, threads);
  return script.build("sh6bench");
}

function* thread(table: ObjectTable, count: number): Thread {
  for (let left = count; left > 0; ) {
    for (const size of sizesOfCall()) {
      table.add(size);
      left -= 1;
      if (left === 0) break;
      yield;
    }
  }
  table.freeAll();
}

/** Sizes of one call, in order. */
export function* sizesOfCall(): Generator<number> {
  for (let base = SIZE_MIN; base < SIZE_LIMIT; base = Math.floor((base * 3) / 2) + 1) {
    for (let size = base; size > 0; size = Math.floor(size / 2)) {
      for (let count = size < 100 ? 250 : 50; count > 0; count -= 1) yield size;
    }
  }
}

class ObjectTable {
  readonly #script: TraceScript;
  readonly #cpu: number;
  readonly #ids: (number | undefined)[];
  #next = 0;
  /** Objects that outlive the present round. */
  #keptFrom = 0;
  #keptTo = 0;

  constructor(script: TraceScript, length: number, cpu: number) {
    this.#script = script;
    this.#cpu = cpu;
    this.#ids = new Array(length).fill(undefined);
  }

  add(size: number): void {
    const id = this.#script.allocate(size, this.#cpu);
    this.#free(this.#next); // In the first place, when the kept part begins there.
    this.#ids[this.#next] = id;
    this.#next += 1;
    if (this.#next === this.#keptFrom) this.#next = this.#keptTo;
    if (this.#next >= this.#ids.length) this.#endRound();
  }

  freeAll(): void {
    for (let index = 0; index < this.#ids.length; index += 1) this.#free(index);
  }

  #endRound(): void {
    const { length } = this.#ids;
    this.#keptFrom = this.#keptTo >= length ? 0 : this.#keptTo;
    this.#keptTo = Math.min(this.#keptFrom + Math.floor(length / KEPT_PART), length);
    for (let index = 0; index < this.#keptFrom; index += 1) this.#free(index);
    for (let index = length - 1; index >= this.#keptTo; index -= 1) this.#free(index);
    this.#next = 0;
  }

  #free(index: number): void {
    const id = this.#ids[index];
    if (id !== undefined) this.#script.free(id, this.#cpu);
    this.#ids[index] = undefined;
  }
}
