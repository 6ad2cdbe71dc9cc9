/**
 * Free physical memory as ranges of pages: what every other allocator gets its pages from. After OSv's
 * page_range_allocator (core/mempool.cc): sixteen lists by size and one of the huge ranges, a header in the
 * first page of each free range, its address in the last word (boundary tag), and a bit for the first and
 * the last page of each, so that a range that is freed finds its neighbours at once.
 */
import { AllocatorError } from "./allocator-error.ts";
import { Lock } from "./lock.ts";
import { type PhysicalMemory, WORDS_PER_PAGE } from "./physical-memory.ts";

/** List k has the ranges of 2^k pages up to, but not including, 2^(k+1). */
const ORDERS = 16;
/** Ranges of 2^16 pages, 256 MiB, and more. OSv has a tree, ordered by size; there are few. */
const HUGE = ORDERS;
const NONE = 0xffff_ffff;

/** Words of a free range's header. */
const SIZE = 0;
const NEXT = 1;
const PREVIOUS = 2;

/** Words of the state: the lists' first ranges, then these. */
const NOT_EMPTY = ORDERS + 1;
const FREE_PAGES = ORDERS + 2;
const STATE_WORDS = ORDERS + 3;

export class PageRanges {
  /** OSv's free_page_ranges_lock. */
  readonly lock: Lock;
  readonly #memory: PhysicalMemory;
  readonly #state: Uint32Array;
  /** A bit a page: first or last of a free range. */
  readonly #edges: Uint32Array;
  #allocationsToFault = Number.POSITIVE_INFINITY;
  #faults = 0;

  /** Nothing is free at first: see `free`. */
  constructor(memory: PhysicalMemory) {
    this.#memory = memory;
    this.lock = new Lock(memory);
    this.#state = memory.wordsTable(STATE_WORDS);
    if (!memory.isAttached) this.#state.fill(NONE, 0, ORDERS + 1);
    this.#edges = memory.wordsTable(Math.ceil(memory.pageCount / 32));
  }

  get freePages(): number {
    return this.#state[FREE_PAGES] ?? 0;
  }

  /** Of the largest free range; 0 when nothing is free. */
  get largestFreePages(): number {
    const notEmpty = this.#state[NOT_EMPTY] ?? 0;
    if (notEmpty === 0) return 0;
    let largest = 0;
    const list = 31 - Math.clz32(notEmpty);
    for (let range = this.#head(list); range !== NONE; range = this.#word(range, NEXT)) {
      largest = Math.max(largest, this.#sizeOf(range));
    }
    return largest;
  }

  /** Has allocations find no memory, though there may be: the `after`th from now, and the next ones to `count`. */
  failAllocations(after: number, count = 1): void {
    this.#allocationsToFault = after;
    this.#faults = count;
  }

  /**
   * Takes contiguous pages: from the front of the smallest list that surely fits, else from the largest huge
   * range, else from the first range that happens to fit.
   *
   * @returns the first page; undefined when no free range is long enough
   */
  allocate(pages: number): number | undefined {
    this.lock.acquire();
    const range = this.#allocate(pages);
    this.lock.release();
    return range;
  }

  /** Takes single pages under one lock. @returns how many there were */
  allocateSingles(into: Uint32Array): number {
    this.lock.acquire();
    let count = 0;
    while (count < into.length) {
      const page = this.#allocate(1);
      if (page === undefined) break;
      into[count] = page;
      count += 1;
    }
    this.lock.release();
    return count;
  }

  /** Gives single pages back under one lock. */
  freeSingles(pages: Uint32Array, count: number): void {
    this.lock.acquire();
    for (let index = 0; index < count; index += 1) this.#free(pages[index] ?? NONE, 1);
    this.lock.release();
  }

  /**
   * Takes contiguous pages from the end of a range, so that the page `offset` behind their begin is a
   * multiple of the alignment.
   *
   * @param alignment in pages; a power of two
   * @returns the first page; undefined when there are none
   */
  allocateAligned(pages: number, alignment: number, offset = 0): number | undefined {
    this.lock.acquire();
    const first = this.#allocateAligned(pages, alignment, offset);
    this.lock.release();
    return first;
  }

  #allocate(pages: number): number | undefined {
    if (this.#isFaultDue()) return undefined;
    const range = this.#find(pages);
    if (range === undefined) return undefined;
    const size = this.#sizeOf(range);
    this.#remove(range, size);
    if (size > pages) this.#insert(range + pages, size - pages);
    return range;
  }

  #isFaultDue(): boolean {
    this.#allocationsToFault -= 1;
    if (this.#allocationsToFault > 0) return false;
    this.#faults -= 1;
    if (this.#faults <= 0) this.#allocationsToFault = Number.POSITIVE_INFINITY;
    return true;
  }

  #allocateAligned(pages: number, alignment: number, offset: number): number | undefined {
    if (this.#isFaultDue()) return undefined;
    for (const range of this.#largestListsFirst()) {
      const size = this.#sizeOf(range);
      if (size < pages) continue;
      const last = range + size - pages + offset;
      const begin = last - (last % alignment) - offset;
      if (begin < range) continue;
      this.#remove(range, size);
      const end = begin + pages;
      if (end < range + size) this.#insert(end, range + size - end);
      if (begin > range) this.#insert(range, begin - range);
      return begin;
    }
    return undefined;
  }

  /** OSv's for_each: huge ranges from the smallest on, then the lists from the one of the largest on. */
  *#largestListsFirst(): Generator<number> {
    // Oldest first, as equal ones are in a multiset.
    const huge = [...this.#list(HUGE)].reverse();
    yield* huge.sort((a, b) => this.#sizeOf(a) - this.#sizeOf(b));
    for (let order = HUGE - 1; order >= 0; order -= 1) yield* this.#list(order);
  }

  *#list(order: number): Generator<number> {
    for (let range = this.#head(order); range !== NONE; range = this.#word(range, NEXT))
      yield range;
  }

  /**
   * Gives pages back, or adds them at first. They become one range with free neighbours.
   *
   * @throws {AllocatorError} WL_ALLOC_RANGE for pages that are not in memory
   */
  free(first: number, pages: number): void {
    const { pageCount } = this.#memory;
    if (pages < 1 || first < 0 || first + pages > pageCount) {
      const text = `Pages ${first} to ${first + pages - 1} are not among the ${pageCount} there are`;
      throw new AllocatorError("WL_ALLOC_RANGE", text);
    }
    this.lock.acquire();
    this.#free(first, pages);
    this.lock.release();
  }

  #free(first: number, pages: number): void {
    const { pageCount } = this.#memory;
    let begin = first;
    let end = first + pages;
    if (begin > 0 && this.#isEdge(begin - 1)) {
      begin = this.#memory.words[begin * WORDS_PER_PAGE - 1] ?? 0;
      this.#remove(begin, first - begin);
    }
    if (end < pageCount && this.#isEdge(end)) {
      const size = this.#sizeOf(end);
      this.#remove(end, size);
      end += size;
    }
    this.#insert(begin, end - begin);
  }

  /** All free ranges, by list and in its order. */
  *ranges(): Generator<{ readonly first: number; readonly pages: number; readonly order: number }> {
    for (let order = 0; order <= HUGE; order += 1) {
      for (const first of this.#list(order)) yield { first, pages: this.#sizeOf(first), order };
    }
  }

  /** @returns what is wrong with the lists, the edges and the tags: a sentence each */
  violations(): string[] {
    const found: string[] = [];
    const all = [...this.ranges()].sort((a, b) => a.first - b.first);
    const edges = new Set<number>();
    let pages = 0;
    let end = -1;
    for (const { first, pages: size, order } of all) {
      const last = first + size - 1;
      if (order !== orderOf(size)) found.push(`The range at ${first} is in list ${order}`);
      if (first <= end) found.push(`The range at ${first} follows another without a gap`);
      if (this.#memory.words[(last + 1) * WORDS_PER_PAGE - 1] !== first) {
        found.push(`The tag of the range at ${first} is wrong`);
      }
      edges.add(first).add(last);
      pages += size;
      end = last + 1;
    }
    if (pages !== this.freePages) found.push(`${pages} pages are free, not ${this.freePages}`);
    for (let page = 0; page < this.#memory.pageCount; page += 1) {
      if (this.#isEdge(page) !== edges.has(page))
        found.push(`The edge bit of page ${page} is wrong`);
    }
    for (let order = 0; order <= HUGE; order += 1) {
      const isEmpty = this.#head(order) === NONE;
      if (isEmpty === (((this.#state[NOT_EMPTY] ?? 0) >>> order) & 1) > 0)
        found.push(`The bit of list ${order} is wrong`);
    }
    return found;
  }

  #find(pages: number): number | undefined {
    const order = pages <= 1 ? 0 : 32 - Math.clz32(pages - 1);
    if (order < ORDERS) {
      const fitting = (this.#state[NOT_EMPTY] ?? 0) & ~(2 ** order - 1) & (2 ** ORDERS - 1);
      if (fitting !== 0) return this.#head(31 - Math.clz32(fitting & -fitting));
    }
    const huge = this.#largest();
    if (huge !== undefined && this.#sizeOf(huge) >= pages) return huge;
    return order > 0 && order <= ORDERS ? this.#fitIn(order - 1, pages) : undefined;
  }

  /** Ranges of this list may or may not be long enough. */
  #fitIn(order: number, pages: number): number | undefined {
    for (let range = this.#head(order); range !== NONE; range = this.#word(range, NEXT)) {
      if (this.#sizeOf(range) >= pages) return range;
    }
    return undefined;
  }

  #largest(): number | undefined {
    let largest: number | undefined;
    for (let range = this.#head(HUGE); range !== NONE; range = this.#word(range, NEXT)) {
      if (largest === undefined || this.#sizeOf(range) > this.#sizeOf(largest)) largest = range;
    }
    return largest;
  }

  #insert(range: number, size: number): void {
    const order = orderOf(size);
    const head = this.#head(order);
    const { words } = this.#memory;
    const at = range * WORDS_PER_PAGE;
    words[at + SIZE] = size;
    words[at + NEXT] = head;
    words[at + PREVIOUS] = NONE;
    if (head !== NONE) words[head * WORDS_PER_PAGE + PREVIOUS] = range;
    this.#state[order] = range;
    this.#state[NOT_EMPTY] = (this.#state[NOT_EMPTY] ?? 0) | (2 ** order);
    words[(range + size) * WORDS_PER_PAGE - 1] = range;
    this.#setEdge(range, true);
    this.#setEdge(range + size - 1, true);
    this.#state[FREE_PAGES] = this.freePages + size;
  }

  #remove(range: number, size: number): void {
    const order = orderOf(size);
    const { words } = this.#memory;
    const next = this.#word(range, NEXT);
    const previous = this.#word(range, PREVIOUS);
    if (next !== NONE) words[next * WORDS_PER_PAGE + PREVIOUS] = previous;
    if (previous === NONE) this.#state[order] = next;
    else words[previous * WORDS_PER_PAGE + NEXT] = next;
    if (next === NONE && previous === NONE) {
      this.#state[NOT_EMPTY] = (this.#state[NOT_EMPTY] ?? 0) & ~(2 ** order);
    }
    this.#setEdge(range, false);
    this.#setEdge(range + size - 1, false);
    this.#state[FREE_PAGES] = this.freePages - size;
  }

  #head(order: number): number {
    return this.#state[order] ?? NONE;
  }

  #word(range: number, field: number): number {
    return this.#memory.words[range * WORDS_PER_PAGE + field] ?? NONE;
  }

  #sizeOf(range: number): number {
    return this.#word(range, SIZE);
  }

  #isEdge(page: number): boolean {
    return (((this.#edges[page >>> 5] ?? 0) >>> (page & 31)) & 1) === 1;
  }

  #setEdge(page: number, isEdge: boolean): void {
    const word = this.#edges[page >>> 5] ?? 0;
    const bit = 1 << (page & 31);
    this.#edges[page >>> 5] = isEdge ? word | bit : word & ~bit;
  }
}

function orderOf(size: number): number {
  return Math.min(31 - Math.clz32(size), HUGE);
}
