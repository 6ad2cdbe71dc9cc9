/** A lock in shared memory: threads that do not get it sleep. */
import type { PhysicalMemory } from "./physical-memory.ts";

/** Words of a lock. */
const STATE = 0;
const ACQUISITIONS = 1;
const WORDS = 2;
const FREE = 0;
const TAKEN = 1;
/** Taken, and somebody may sleep. */
const AWAITED = 2;

export class Lock {
  readonly #words: Int32Array;

  constructor(memory: PhysicalMemory) {
    this.#words = memory.atomicsTable(WORDS);
  }

  /** How often it was taken: what a machine with more CPUs pays for. */
  get acquisitions(): number {
    return this.#words[ACQUISITIONS] ?? 0;
  }

  acquire(): void {
    const words = this.#words;
    if (Atomics.compareExchange(words, STATE, FREE, TAKEN) !== FREE) {
      while (Atomics.exchange(words, STATE, AWAITED) !== FREE) Atomics.wait(words, STATE, AWAITED);
    }
    words[ACQUISITIONS] = (words[ACQUISITIONS] ?? 0) + 1;
  }

  release(): void {
    if (Atomics.exchange(this.#words, STATE, FREE) === AWAITED)
      Atomics.notify(this.#words, STATE, 1);
  }
}
