/**
 * Objects that one CPU freed and another owns (OSv, core/mempool.cc, garbage sinks): a list for each pair of CPUs,
 * through the objects' first words, that one side pushes to and the other takes whole.
 */
import { type PhysicalMemory, WORD_BYTES } from "./physical-memory.ts";

const NONE = 0xffff_ffff;

export class Sinks {
  readonly #memory: PhysicalMemory;
  readonly #cpus: number;
  /** By owner and freeing CPU: the word of the object that was pushed last. */
  readonly #heads: Uint32Array;

  constructor(memory: PhysicalMemory, cpus: number) {
    this.#memory = memory;
    this.#cpus = cpus;
    this.#heads = new Uint32Array(cpus * cpus).fill(NONE);
  }

  push(owner: number, cpu: number, address: number): void {
    const sink = owner * this.#cpus + cpu;
    const word = address / WORD_BYTES;
    this.#memory.words[word] = this.#heads[sink] ?? NONE;
    this.#heads[sink] = word;
  }

  /** Takes all that wait for an owner; each object may be written to as soon as it is there. */
  *take(owner: number): Generator<number> {
    for (let cpu = 0; cpu < this.#cpus; cpu += 1) {
      const sink = owner * this.#cpus + cpu;
      let word = this.#heads[sink] ?? NONE;
      this.#heads[sink] = NONE;
      while (word !== NONE) {
        const next = this.#memory.words[word] ?? NONE;
        yield word * WORD_BYTES;
        word = next;
      }
    }
  }
}
