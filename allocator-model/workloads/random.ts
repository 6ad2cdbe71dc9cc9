/** Random numbers that are the same everywhere: splitmix32, Steele, Lea and Flood's SplitMix with 32 bits. */

const TWO_32 = 2 ** 32;
/** 2^32 divided by the golden ratio, odd. */
const STEP = 0x9e37_79b9;

export class Random {
  #state: number;

  /** @param seed 32 bits count */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 up, below a whole number of at most 2^32. */
  below(limit: number): number {
    return Math.floor((this.#next() / TWO_32) * limit);
  }

  /** Whole; both ends are possible. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True so many times of a hundred. */
  chance(percent: number): boolean {
    return (this.#next() / TWO_32) * 100 < percent;
  }

  #next(): number {
    this.#state = (this.#state + STEP) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0_aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a_2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  }
}
