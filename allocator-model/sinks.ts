/**
 * Objects that one CPU freed and another owns (OSv, core/mempool.cc, garbage sinks): a list for each pair of CPUs,
 * through the objects' first words, that one side pushes to and the other takes whole. No locks.
 */
import { type PhysicalMemory, WORD_BYTES } from "./physical-memory.ts";

/** Of a place for an object. waiting: another CPU freed it, and the owner has not collected it yet. */
export type SlotState = "in use" | "free" | "waiting";

/** All bits: in a head as a signed number. */
const NONE = -1;

export class Sinks {
  readonly #memory: PhysicalMemory;
  readonly #cpus: number;
  readonly #pushesMax: number;
  /** By owner and freeing CPU: the word of the object that was pushed last. */
  readonly #heads: Int32Array;
  /** By owner and freeing CPU: how many were pushed since the owner was told. */
  readonly #pushes: Uint32Array;

  /** @param pushesMax to one sink before its owner is told to collect */
  constructor(memory: PhysicalMemory, cpus: number, pushesMax: number) {
    this.#memory = memory;
    this.#cpus = cpus;
    this.#pushesMax = pushesMax;
    this.#heads = memory.atomicsTable(cpus * cpus, NONE);
    this.#pushes = memory.wordsTable(cpus * cpus);
  }

  /** @returns whether the owner is to be told now */
  push(owner: number, cpu: number, address: number): boolean {
    const sink = owner * this.#cpus + cpu;
    const word = address / WORD_BYTES;
    for (;;) {
      const head = Atomics.load(this.#heads, sink);
      this.#memory.words[word] = head;
      if (Atomics.compareExchange(this.#heads, sink, head, word | 0) === head) break;
    }
    const pushes = (this.#pushes[sink] ?? 0) + 1;
    const isDue = pushes > this.#pushesMax;
    this.#pushes[sink] = isDue ? 0 : pushes;
    return isDue;
  }

  /** Takes all that wait for an owner; each object may be written to as soon as it is there. */
  *take(owner: number): Generator<number> {
    for (let cpu = 0; cpu < this.#cpus; cpu += 1) {
      const sink = owner * this.#cpus + cpu;
      if (Atomics.load(this.#heads, sink) === NONE) continue;
      let head = Atomics.exchange(this.#heads, sink, NONE);
      while (head !== NONE) {
        const word = head >>> 0;
        head = (this.#memory.words[word] ?? 0) | 0;
        yield word * WORD_BYTES;
      }
    }
  }

  /** Whether an object waits for its owner. */
  isWaiting(owner: number, address: number): boolean {
    for (const waiting of this.#waiting(owner)) if (waiting === address) return true;
    return false;
  }

  *#waiting(owner: number): Generator<number> {
    for (let cpu = 0; cpu < this.#cpus; cpu += 1) {
      let head = Atomics.load(this.#heads, owner * this.#cpus + cpu);
      while (head !== NONE) {
        yield (head >>> 0) * WORD_BYTES;
        head = (this.#memory.words[head >>> 0] ?? 0) | 0;
      }
    }
  }
}
