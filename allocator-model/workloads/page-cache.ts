/**
 * A cache of a disk's blocks, after no program in particular: 4096 bytes each, which is a page, with an entry of 64
 * bytes (Linux's struct page).
 *
 * Four CPUs read blocks: four of five times one of the most wanted fifth, else any; one read in twenty goes on
 * with the next 8 to 32 blocks, as read-ahead does. The block that was not used for longest goes when the cache is
 * full. From time to time memory is wanted elsewhere and half of the cache goes at once.
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

const CPUS = 4;
const BLOCK_BYTES = 4096;
const ENTRY_BYTES = 64;
const BLOCKS_CACHED = 4096;
const BLOCKS_OF_DISK = 16_384;
const READS_PER_CPU = 20_000;
const WANTED_SHARE = 5;
const WANTED_PERCENT = 80;
const READ_AHEAD_PERCENT = 5;
/** How many times a run memory is wanted elsewhere. */
const SHRINKS = 4;

export const pageCache: Workload = {
  description: "A cache of disk blocks of 4096 bytes: least recently used first, with read-ahead",
  make: (options = {}) => makePageCache(options),
};

function makePageCache(options: WorkloadOptions): Trace {
  const random = new Random(options.seed ?? 1);
  const blocks = scaled(BLOCKS_OF_DISK, options);
  const cache = new BlockCache(scaled(BLOCKS_CACHED, options));
  const reads = scaled(READS_PER_CPU, options);
  const shrinkEvery = Math.ceil((CPUS * reads) / (SHRINKS + 1));
  let readCount = 0;
  function* reader(cpu: number): Thread {
    for (let count = 0; count < reads; count += 1) {
      const limit = random.chance(WANTED_PERCENT) ? Math.ceil(blocks / WANTED_SHARE) : blocks;
      const first = random.below(limit);
      const length = random.chance(READ_AHEAD_PERCENT) ? random.between(8, 32) : 1;
      for (let block = first; block < Math.min(first + length, blocks); block += 1) {
        cache.read(block, cpu);
      }
      readCount += 1;
      if (readCount % shrinkEvery === 0) cache.shrink(0.5, cpu);
      yield;
    }
  }
  const readers = Array.from({ length: CPUS }, (_, cpu) => reader(cpu));
  interleave(random, readers);
  cache.shrink(1, 0);
  return cache.script.build("page-cache");
}

class BlockCache {
  readonly script = new TraceScript();
  readonly #capacity: number;
  /** By block, that which was not used for longest first. */
  readonly #cached = new Map<number, { readonly page: number; readonly entry: number }>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  read(block: number, cpu: number): void {
    const found = this.#cached.get(block);
    if (found) {
      this.#cached.delete(block);
      this.#cached.set(block, found);
      return;
    }
    if (this.#cached.size >= this.#capacity) this.#dropOldest(cpu);
    const page = this.script.allocate(BLOCK_BYTES, cpu);
    this.#cached.set(block, { page, entry: this.script.allocate(ENTRY_BYTES, cpu) });
  }

  /** Frees a share of the blocks. */
  shrink(share: number, cpu: number): void {
    for (let count = Math.ceil(this.#cached.size * share); count > 0; count -= 1) {
      this.#dropOldest(cpu);
    }
  }

  #dropOldest(cpu: number): void {
    for (const [block, { page, entry }] of this.#cached) {
      this.script.free(page, cpu);
      this.script.free(entry, cpu);
      this.#cached.delete(block);
      return;
    }
  }
}
