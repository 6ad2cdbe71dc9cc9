/**
 * What a clone must not share with its brothers: random numbers that were computed or seeded before the
 * machine was saved. All of it is done before, so that a clone has nothing to do about it.
 */

type Crypto = Pick<typeof import("node:crypto"), "randomUUID" | "randomInt">;

/** More numbers than any Node keeps ready. */
const READY_MAX = 16_384;

/**
 * The addon has OpenSSL take random numbers from the kernel from then on.
 *
 * @returns how often OpenSSL was asked for some: by this thread in the low 32 bits, by all in the high ones
 * @throws Error when the addon is missing or this Node does not export OpenSSL
 */
export function kernelRandom(addon: string): () => bigint {
  const module: { exports: object } = { exports: {} };
  process.dlopen(module, addon);
  return module.exports as () => bigint;
}

/** UUIDs and integers that the crypto module draws in batches and keeps ready. */
export class ReadyNumbers {
  readonly #calls: () => bigint;
  readonly #stores: { readonly draw: () => unknown; batch?: number }[];
  #usedUpAt: bigint | undefined;

  /** @param calls as `kernelRandom` returns it */
  constructor(crypto: Crypto, calls: () => bigint) {
    this.#calls = calls;
    this.#stores = [
      { draw: () => crypto.randomUUID() },
      // The bound of the range does not matter: six bytes are drawn for any.
      { draw: () => crypto.randomInt(1) },
    ];
  }

  /** Draws all that is ready, so that the next number of each kind is drawn anew. */
  useUp(): void {
    if (this.#calls() === this.#usedUpAt) return;
    for (const store of this.#stores) {
      this.#untilRefill(store.draw);
      // Seen once: the first of a batch asks OpenSSL, the others do not.
      store.batch ??= this.#untilRefill(store.draw);
      for (let count = 1; count < store.batch; count += 1) store.draw();
    }
    this.#usedUpAt = this.#calls();
  }

  /** @returns how many draws that took */
  #untilRefill(draw: () => unknown): number {
    const before = this.#ownCalls();
    for (let count = 1; count <= READY_MAX; count += 1) {
      draw();
      if (this.#ownCalls() !== before) return count;
    }
    throw new Error("the crypto module does not take its numbers from OpenSSL");
  }

  #ownCalls(): bigint {
    return BigInt.asUintN(32, this.#calls());
  }
}

/** State of the generator below; all zero is the one state it would never leave. */
const state = new Int32Array(4);

/** One step of xoshiro128** (Blackman and Vigna, "Scrambled linear pseudorandom number generators"). */
function next(): number {
  const [s0 = 0, s1 = 0, s2 = 0, s3 = 0] = state;
  const product = Math.imul(s1, 5);
  const result = Math.imul((product << 7) | (product >>> 25), 9);
  const t2 = s2 ^ s0;
  const t3 = s3 ^ s1;
  state[1] = s1 ^ t2;
  state[0] = s0 ^ t3;
  state[2] = t2 ^ (s1 << 9);
  state[3] = (t3 << 11) | (t3 >>> 21);
  return result >>> 0;
}

/** Where the state comes from when the next number is drawn; undefined once it is there. */
let seed: ((state: Int32Array) => void) | undefined;

/** As V8's own: no constructor, name "random", length 0. */
const { random } = {
  random(): number {
    if (seed) {
      seed(state);
      seed = undefined;
    }
    return ((next() >>> 5) * 0x400_0000 + (next() >>> 6)) / 2 ** 53;
  },
};

const nativeRandom = Math.random;

/**
 * V8's own generator cannot be seeded at run time, so ours takes its place, unless the program has put
 * another one there itself. It is seeded, also anew, when its next number is drawn.
 */
export function replaceRandom(fill: (state: Int32Array) => void): void {
  seed = fill;
  if (Math.random === nativeRandom) Object.defineProperty(Math, "random", { value: random });
}

/** Draws a number for nobody; nothing of it is seen outside. */
export function rehearseRandom(fill: (state: Int32Array) => void): void {
  seed = fill;
  random();
}
