/**
 * Objects of more than a page: contiguous pages with a header at their begin (OSv, core/mempool.cc, malloc_large).
 * The header is that of the range the pages came as; only its size is of use while they are taken. Where it
 * is kept apart from the pages, an object of whole pages takes just these.
 */
import { PAGE_BYTES } from "./address-layout.ts";
import type { PageRanges } from "./page-ranges.ts";
import { type PhysicalMemory, WORDS_PER_PAGE } from "./physical-memory.ts";

/** page_range: size, two hooks of a list and a set (boost::intrusive). */
export const LARGE_HEADER_BYTES = 56;

export interface LargeRange {
  readonly first: number;
  readonly pages: number;
}

export interface LargeObjectRules {
  /** Bytes before the object, for an alignment. */
  readonly offset: (alignment: number) => number;
  /** Bytes in all. */
  readonly total: (size: number, offset: number) => number;
  /** Whether the header is in a table beside the memory. */
  readonly isOutOfBand: boolean;
}

/** Since 2014: the header takes a page only before an object that is aligned to pages. */
export const sharedHeader: LargeObjectRules = {
  offset: (alignment) =>
    alignment < PAGE_BYTES ? alignUp(LARGE_HEADER_BYTES, alignment) : PAGE_BYTES,
  total: (size, offset) => alignUp(size + offset, PAGE_BYTES),
  isOutOfBand: false,
};

/** A variant that nobody has built: addresses say what is large, so no header is needed to tell. */
export const tableHeader: LargeObjectRules = {
  offset: () => 0,
  total: (size) => alignUp(size, PAGE_BYTES),
  isOutOfBand: true,
};

/** Before: always, so that a large object can be told by its offset in the page. */
export const pageHeader: LargeObjectRules = {
  offset: () => PAGE_BYTES,
  total: (size, offset) => alignUp(size, PAGE_BYTES) + offset,
  isOutOfBand: false,
};

/** Physical addresses are numbers of bytes. */
export class LargeObjects {
  readonly #ranges: PageRanges;
  readonly #rules: LargeObjectRules;
  /** By first page: how many pages. In the memory, or beside it. */
  readonly #sizes: Uint32Array;
  readonly #sizesStride: number;

  constructor(memory: PhysicalMemory, ranges: PageRanges, rules: LargeObjectRules) {
    this.#ranges = ranges;
    this.#rules = rules;
    this.#sizes = rules.isOutOfBand ? memory.wordsTable(memory.pageCount) : memory.words;
    this.#sizesStride = rules.isOutOfBand ? 1 : WORDS_PER_PAGE;
  }

  /** @returns the object's physical address; undefined when there is no range for it */
  allocate(size: number, alignment: number): number | undefined {
    const offset = this.#rules.offset(alignment);
    const pages = this.#rules.total(size, offset) / PAGE_BYTES;
    const first =
      alignment > PAGE_BYTES
        ? this.#ranges.allocateAligned(pages, alignment / PAGE_BYTES, offset / PAGE_BYTES)
        : this.#ranges.allocate(pages);
    if (first === undefined) return undefined;
    this.#sizes[first * this.#sizesStride] = pages;
    return first * PAGE_BYTES + offset;
  }

  /** @returns the pages that were freed */
  free(address: number): LargeRange {
    const range = this.rangeOf(address);
    this.#ranges.free(range.first, range.pages);
    return range;
  }

  /** What malloc_usable_size(3) says. */
  usableBytes(address: number): number {
    const { first, pages } = this.rangeOf(address);
    return pages * PAGE_BYTES - (address - first * PAGE_BYTES);
  }

  /** The pages of an object. */
  rangeOf(address: number): LargeRange {
    // A header in memory begins the page of the byte before the object.
    const first = Math.floor((this.#rules.isOutOfBand ? address : address - 1) / PAGE_BYTES);
    return this.rangeFrom(first);
  }

  /** The same by its first page. */
  rangeFrom(first: number): LargeRange {
    return { first, pages: this.#sizes[first * this.#sizesStride] ?? 0 };
  }
}

function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}
