/**
 * What a clone must not share with its brothers: random numbers that were computed or seeded before
 * the machine was saved. All of it runs on the one thread, between two events of the program.
 */
import type { closeSync, openSync, readSync } from "node:fs";

type FileSystem = {
  openSync: typeof openSync;
  readSync: typeof readSync;
  closeSync: typeof closeSync;
};

type Crypto = Pick<typeof import("node:crypto"), "randomUUID" | "randomFillSync" | "randomInt">;

/** crypto.randomUUID() makes this many at once (kBatchSize in lib/internal/crypto/random.js). */
const UUID_BATCH = 128;
/** crypto.randomInt() draws 6 bytes a time from 6 KiB that it keeps ready (randomCache, same file). */
const INTEGER_BATCH = 1024;
const INTEGER_BYTES = 6;

/**
 * The addon's function reseeds OpenSSL's primary generator from the kernel; those of all threads follow,
 * because they compare its reseed counter with theirs (OpenSSL 3, drbg.c).
 *
 * @throws Error when the addon is missing or this Node does not export OpenSSL
 */
export function openSslReseeder(addon: string): () => void {
  const module: { exports: object } = { exports: {} };
  process.dlopen(module, addon);
  return module.exports as () => void;
}

/**
 * What the crypto module keeps ready of random numbers.
 *
 * @returns renews all of it: to be called after OpenSSL was reseeded
 */
export function readyNumbers(crypto: Crypto): () => void {
  const integers = integerCache(crypto);
  return () => {
    // A whole batch, wherever the present one stands, leaves nothing of it.
    for (let count = 0; count < UUID_BATCH; count += 1) crypto.randomUUID();
    if (integers) crypto.randomFillSync(integers);
    else for (let count = 0; count < INTEGER_BATCH; count += 1) crypto.randomInt(1);
  };
}

/**
 * The bytes that randomInt() draws from, found by looking over its shoulder: to use them all up
 * would take 7 ms, and ten times that under emulation.
 *
 * @returns undefined in a Node that reads them in another way
 */
function integerCache(crypto: Crypto): Uint8Array | undefined {
  let cache: Uint8Array | undefined;
  const { readUIntBE } = Buffer.prototype;
  try {
    Buffer.prototype.readUIntBE = function (this: Buffer, ...position: [number, number]) {
      cache = this;
      return Reflect.apply(readUIntBE, this, position);
    };
    crypto.randomInt(1);
  } catch {
    // The program has frozen its buffers.
  } finally {
    if (Buffer.prototype.readUIntBE !== readUIntBE) Buffer.prototype.readUIntBE = readUIntBE;
  }
  return cache?.length === INTEGER_BATCH * INTEGER_BYTES ? cache : undefined;
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

/** As V8's own: no constructor, name "random", length 0. */
const { random } = {
  random(): number {
    return ((next() >>> 5) * 0x400_0000 + (next() >>> 6)) / 2 ** 53;
  },
};

const nativeRandom = Math.random;

/** Seeds the generator: from OpenSSL, which is reseeded by then, or where there is none from the kernel. */
export function seedRandom(
  { openSync, readSync, closeSync }: FileSystem,
  crypto: Pick<Crypto, "randomFillSync"> | undefined,
): void {
  if (crypto) {
    crypto.randomFillSync(state);
    return;
  }
  const descriptor = openSync("/dev/urandom", "r");
  try {
    readSync(descriptor, state);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * V8's own generator cannot be seeded at run time, so ours takes its place, unless the program has put
 * another one there itself.
 *
 * @param math another object, to rehearse on
 */
export function replaceRandom(math: { random: () => number } = Math): void {
  if (math.random !== nativeRandom) return;
  Object.defineProperty(math, "random", { value: random });
}
