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

/** crypto.randomUUID() makes this many at once (kBatchSize in lib/internal/crypto/random.js). */
const UUID_BATCH = 128;
/** crypto.randomInt() takes 6 bytes a time out of 6 KiB (randomCache, same file). */
const RANDOM_INT_BATCH = 1024;

/**
 * Reseeds OpenSSL's primary generator from the kernel; those of all threads follow, because they
 * compare its reseed counter with theirs (OpenSSL 3, drbg.c). Node runs the addon's initialiser each
 * time it is asked to open it.
 *
 * @throws Error when the addon is missing or this Node does not export OpenSSL
 */
export function reseedOpenSsl(addon: string): void {
  process.dlopen({ exports: {} }, addon);
}

/** Uses up what the crypto module keeps ready: after that it asks the generator again. */
export function dropReadyNumbers(crypto: {
  randomUUID(): string;
  randomInt(max: number): number;
}): void {
  for (let count = 0; count < UUID_BATCH; count += 1) crypto.randomUUID();
  for (let count = 0; count < RANDOM_INT_BATCH; count += 1) crypto.randomInt(1);
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

/**
 * Seeds Math.random from the kernel. V8's generator cannot be seeded at run time, so ours takes its
 * place, unless the program has put another one there itself.
 */
export function reseedMathRandom(fileSystem: FileSystem): void {
  const { openSync, readSync, closeSync } = fileSystem;
  const descriptor = openSync("/dev/urandom", "r");
  try {
    readSync(descriptor, state);
  } finally {
    closeSync(descriptor);
  }
  if (Math.random !== nativeRandom) return;
  Object.defineProperty(Math, "random", { value: random });
}
