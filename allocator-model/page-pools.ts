/**
 * Single pages, kept ready so that few requests need the lock of the page ranges (OSv, core/mempool.cc, page_pool):
 * a stack for each CPU (L1), and batches of pages in a stack for all (L2) that needs no lock either. A batch
 * is written into one of its own pages.
 */
import { AllocatorError } from "./allocator-error.ts";
import type { PageOwners } from "./page-owners.ts";
import type { PageRanges } from "./page-ranges.ts";
import { type PhysicalMemory, WORDS_PER_PAGE } from "./physical-memory.ts";

export interface PagePoolSizes {
  /** Most pages of a CPU's stack. A multiple of four batches. */
  readonly l1Pages: number;
  readonly batchPages: number;
}

/** OSv's, conf/kconfig/memory. */
export const usualPools: PagePoolSizes = { l1Pages: 512, batchPages: 32 };
/** OSv's for machines with little memory. */
export const smallPools: PagePoolSizes = { l1Pages: 16, batchPages: 4 };

const NO_BATCH = 0xffff_ffff;

export class PagePools {
  readonly #memory: PhysicalMemory;
  readonly #ranges: PageRanges;
  readonly #owners: PageOwners;
  readonly #cpus: number;
  readonly #l1Pages: number;
  readonly #batchPages: number;
  readonly #l2Batches: number;
  /** By CPU: how many pages, then the pages. */
  readonly #stacks: Uint32Array;
  readonly #stackWords: number;
  /** The page with the newest batch, and above it a count of all changes: so none is missed between two looks. */
  readonly #top: BigInt64Array;
  readonly #batchCount: Int32Array;
  /** Of this thread, for a batch that is on its way. */
  readonly #batch: Uint32Array;

  /** @throws {AllocatorError} WL_ALLOC_RANGE for sizes that do not fit each other */
  constructor(
    memory: PhysicalMemory,
    { ranges, owners }: { readonly ranges: PageRanges; readonly owners: PageOwners },
    { cpus, sizes }: { readonly cpus: number; readonly sizes: PagePoolSizes },
  ) {
    const { l1Pages, batchPages } = sizes;
    if (!(batchPages >= 1 && l1Pages >= 1 && l1Pages % (4 * batchPages) === 0)) {
      const text = `A pool of ${l1Pages} pages is no multiple of four batches of ${batchPages}`;
      throw new AllocatorError("WL_ALLOC_RANGE", text);
    }
    this.#memory = memory;
    this.#ranges = ranges;
    this.#owners = owners;
    this.#cpus = cpus;
    this.#l1Pages = l1Pages;
    this.#batchPages = batchPages;
    this.#l2Batches = cpus * (l1Pages / batchPages);
    this.#stackWords = 1 + l1Pages;
    this.#stacks = memory.wordsTable(cpus * this.#stackWords);
    this.#top = new BigInt64Array(memory.atomicsTable(2, -1).buffer);
    this.#batchCount = memory.atomicsTable(1);
    this.#batch = new Uint32Array(batchPages);
  }

  /** Pages in all pools: free, but not for everybody. */
  get cachedPages(): number {
    let pages = (this.#batchCount[0] ?? 0) * this.#batchPages;
    for (let cpu = 0; cpu < this.#cpus; cpu += 1) pages += this.#count(cpu);
    return pages;
  }

  /** @returns undefined when neither pools nor page ranges have one */
  allocatePage(cpu: number): number | undefined {
    if (this.#count(cpu) === 0) this.#refill(cpu);
    const count = this.#count(cpu);
    // With less than a batch left, pages come one by one.
    if (count === 0) return this.#ranges.allocate(1);
    const base = cpu * this.#stackWords;
    this.#stacks[base] = count - 1;
    return this.#stacks[base + count];
  }

  freePage(page: number, cpu: number): void {
    if (this.#count(cpu) === this.#l1Pages) this.#unfill(cpu);
    this.#push(cpu, page);
  }

  /** Whether `balance` has something to do for a CPU's stack. */
  isDue(cpu: number): boolean {
    const count = this.#count(cpu);
    return count < this.#l1Pages / 4 || count > (this.#l1Pages * 3) / 4;
  }

  /**
   * What OSv's threads page_pool_l1_N and page_pool_l2 do: a pool below a quarter or above three is brought to its
   * half.
   *
   * @returns whether anything was moved
   */
  balance(cpu: number): boolean {
    let isMoved = false;
    if (this.#count(cpu) < this.#l1Pages / 4) while (this.#refill(cpu)) isMoved = true;
    if (this.#count(cpu) > (this.#l1Pages * 3) / 4) while (this.#unfill(cpu)) isMoved = true;
    const batches = this.#batchCount[0] ?? 0;
    if (batches < this.#l2Batches / 4) this.#refillBatches();
    if (batches > (this.#l2Batches * 3) / 4) this.#unfillBatches(this.#l2Batches / 2);
    return isMoved || this.#batchCount[0] !== batches;
  }

  /** Gives the pages of CPUs, and all batches, back to the page ranges. */
  drain(cpus: Iterable<number>): void {
    for (const cpu of cpus) {
      const count = this.#count(cpu);
      const base = cpu * this.#stackWords;
      this.#give(this.#stacks.slice(base + 1, base + 1 + count), count);
      this.#stacks[base] = 0;
    }
    this.#unfillBatches(0);
  }

  /** All pages in the pools. */
  *pages(): Generator<number> {
    for (let cpu = 0; cpu < this.#cpus; cpu += 1) {
      const base = cpu * this.#stackWords;
      yield* this.#stacks.slice(base + 1, base + 1 + this.#count(cpu));
    }
    let holder = pageOf(this.#top[0] ?? -1n);
    while (holder !== NO_BATCH) {
      const at = holder * WORDS_PER_PAGE;
      yield* this.#memory.words.slice(at, at + this.#batchPages);
      holder = this.#memory.words[at + this.#batchPages] ?? NO_BATCH;
    }
  }

  #count(cpu: number): number {
    return this.#stacks[cpu * this.#stackWords] ?? 0;
  }

  #push(cpu: number, page: number): void {
    const base = cpu * this.#stackWords;
    const count = this.#count(cpu) + 1;
    this.#stacks[base] = count;
    this.#stacks[base + count] = page;
    this.#owners.set("cached", page);
  }

  /** Moves one batch, unless the stack would have half of its pages. @returns whether it did */
  #refill(cpu: number): boolean {
    if (this.#count(cpu) + this.#batchPages >= this.#l1Pages / 2) return false;
    if (!this.#popBatch()) {
      this.#refillBatches();
      if (!this.#popBatch()) return false;
    }
    for (const page of this.#batch) this.#push(cpu, page);
    return true;
  }

  /** The other way round. */
  #unfill(cpu: number): boolean {
    const base = cpu * this.#stackWords;
    const count = this.#count(cpu);
    if (count <= this.#batchPages + this.#l1Pages / 2) return false;
    if ((this.#batchCount[0] ?? 0) >= this.#l2Batches) this.#unfillBatches(this.#l2Batches / 2);
    // As they are popped.
    for (let index = 0; index < this.#batchPages; index += 1)
      this.#batch[index] = this.#stacks[base + count - index] ?? 0;
    this.#stacks[base] = count - this.#batchPages;
    this.#pushBatch(this.#batch[0] ?? 0);
    return true;
  }

  #refillBatches(): void {
    while ((this.#batchCount[0] ?? 0) < this.#l2Batches / 2) {
      const got = this.#ranges.allocateSingles(this.#batch);
      if (got < this.#batchPages) {
        // A batch is whole, or none: it is read as such.
        this.#ranges.freeSingles(this.#batch, got);
        return;
      }
      for (const page of this.#batch) this.#owners.set("cached", page);
      this.#pushBatch(this.#batch[this.#batchPages - 1] ?? 0);
    }
  }

  #unfillBatches(left: number): void {
    while ((this.#batchCount[0] ?? 0) > left && this.#popBatch()) {
      this.#give(this.#batch, this.#batchPages);
    }
  }

  #give(pages: Uint32Array, count: number): void {
    for (let index = 0; index < count; index += 1) this.#owners.set("free", pages[index] ?? 0);
    this.#ranges.freeSingles(pages, count);
  }

  /** Writes the batch into one of its pages, and that one on the stack. */
  #pushBatch(holder: number): void {
    const at = holder * WORDS_PER_PAGE;
    const { words } = this.#memory;
    for (let index = 0; index < this.#batchPages; index += 1)
      words[at + index] = this.#batch[index] ?? 0;
    for (;;) {
      const top = Atomics.load(this.#top, 0);
      words[at + this.#batchPages] = pageOf(top);
      const next = nextTop(top, holder);
      if (Atomics.compareExchange(this.#top, 0, top, next) === top) break;
    }
    Atomics.add(this.#batchCount, 0, 1);
  }

  /** Reads the newest batch into its place. @returns whether there was one */
  #popBatch(): boolean {
    const { words } = this.#memory;
    for (;;) {
      const top = Atomics.load(this.#top, 0);
      const holder = pageOf(top);
      if (holder === NO_BATCH) return false;
      const at = holder * WORDS_PER_PAGE;
      const next = nextTop(top, words[at + this.#batchPages] ?? NO_BATCH);
      if (Atomics.compareExchange(this.#top, 0, top, next) !== top) continue;
      for (let index = 0; index < this.#batchPages; index += 1)
        this.#batch[index] = words[at + index] ?? 0;
      Atomics.sub(this.#batchCount, 0, 1);
      return true;
    }
  }
}

function pageOf(top: bigint): number {
  return Number(BigInt.asUintN(32, top));
}

function nextTop(top: bigint, page: number): bigint {
  return BigInt.asIntN(64, (((top >> 32n) + 1n) << 32n) | BigInt(page));
}
