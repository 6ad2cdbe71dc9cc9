/**
 * Free physical memory as ranges of pages: what every other allocator gets its pages from. After OSv's
 * page_range_allocator (core/mempool.cc): sixteen lists by size and one of the huge ranges, a header in the
 * first page of each free range, its address in the last word (boundary tag), and a bit for the first and
 * the last page of each, so that a range that is freed finds its neighbours at once.
 */
import { AllocatorError } from "./allocator-error.ts";
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

export class PageRanges {
  readonly #memory: PhysicalMemory;
  readonly #heads = new Uint32Array(ORDERS + 1).fill(NONE);
  /** Bit k: list k is not empty. */
  #notEmpty = 0;
  /** A bit a page: first or last of a free range. */
  readonly #edges: Uint32Array;
  #freePages = 0;

  /** Nothing is free at first: see `free`. */
  constructor(memory: PhysicalMemory) {
    this.#memory = memory;
    const words = Math.ceil(memory.pageCount / 32);
    this.#edges = new Uint32Array(new SharedArrayBuffer(words * 4));
  }

  get freePages(): number {
    return this.#freePages;
  }

  /**
   * Takes contiguous pages: from the front of the smallest list that surely fits, else from the largest huge
   * range, else from the first range that happens to fit.
   *
   * @returns the first page; undefined when no free range is long enough
   */
  allocate(pages: number): number | undefined {
    const range = this.#find(pages);
    if (range === undefined) return undefined;
    const size = this.#sizeOf(range);
    this.#remove(range, size);
    if (size > pages) this.#insert(range + pages, size - pages);
    return range;
  }

  /**
   * Takes contiguous pages from the end of a range, so that the page `offset` behind their begin is a
   * multiple of the alignment. Looks through the largest ranges first.
   *
   * @param alignment in pages; a power of two
   * @returns the first page; undefined when there are none
   */
  allocateAligned(pages: number, alignment: number, offset = 0): number | undefined {
    for (let order = HUGE; order >= 0; order -= 1) {
      for (let range = this.#head(order); range !== NONE; range = this.#word(range, NEXT)) {
        const size = this.#sizeOf(range);
        const last = range + size - pages + offset;
        const begin = last - (last % alignment) - offset;
        if (begin < range) continue;
        this.#remove(range, size);
        if (begin > range) this.#insert(range, begin - range);
        const end = begin + pages;
        if (end < range + size) this.#insert(end, range + size - end);
        return begin;
      }
    }
    return undefined;
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
      for (let range = this.#head(order); range !== NONE; range = this.#word(range, NEXT)) {
        yield { first: range, pages: this.#sizeOf(range), order };
      }
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
    if (pages !== this.#freePages) found.push(`${pages} pages are free, not ${this.#freePages}`);
    for (let page = 0; page < this.#memory.pageCount; page += 1) {
      if (this.#isEdge(page) !== edges.has(page))
        found.push(`The edge bit of page ${page} is wrong`);
    }
    for (let order = 0; order <= HUGE; order += 1) {
      const isEmpty = this.#head(order) === NONE;
      if (isEmpty === ((this.#notEmpty >>> order) & 1) > 0)
        found.push(`The bit of list ${order} is wrong`);
    }
    return found;
  }

  #find(pages: number): number | undefined {
    const order = pages <= 1 ? 0 : 32 - Math.clz32(pages - 1);
    if (order < ORDERS) {
      const fitting = this.#notEmpty & ~(2 ** order - 1) & (2 ** ORDERS - 1);
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
    this.#heads[order] = range;
    this.#notEmpty |= 2 ** order;
    words[(range + size) * WORDS_PER_PAGE - 1] = range;
    this.#setEdge(range, true);
    this.#setEdge(range + size - 1, true);
    this.#freePages += size;
  }

  #remove(range: number, size: number): void {
    const order = orderOf(size);
    const { words } = this.#memory;
    const next = this.#word(range, NEXT);
    const previous = this.#word(range, PREVIOUS);
    if (next !== NONE) words[next * WORDS_PER_PAGE + PREVIOUS] = previous;
    if (previous === NONE) this.#heads[order] = next;
    else words[previous * WORDS_PER_PAGE + NEXT] = next;
    if (this.#head(order) === NONE) this.#notEmpty &= ~(2 ** order);
    this.#setEdge(range, false);
    this.#setEdge(range + size - 1, false);
    this.#freePages -= size;
  }

  #head(order: number): number {
    return this.#heads[order] ?? NONE;
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
