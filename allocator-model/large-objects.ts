/**
 * Objects of more than a page: contiguous pages with a header at their begin (OSv, core/mempool.cc, malloc_large).
 * The header is that of the range the pages came as; only its size is of use while they are taken.
 */
import { PAGE_BYTES } from "./address-layout.ts";
import type { PageRanges } from "./page-ranges.ts";
import { type PhysicalMemory, WORDS_PER_PAGE } from "./physical-memory.ts";

/** page_range: size, two hooks of a list and a set (boost::intrusive). */
export const LARGE_HEADER_BYTES = 56;
/** Word of the header. */
const PAGES = 0;

export interface LargeObjectRules {
  /** Bytes before the object, for an alignment. */
  readonly offset: (alignment: number) => number;
  /** Bytes in all. */
  readonly total: (size: number, offset: number) => number;
}

/** Since 2014: the header takes a page only before an object that is aligned to pages. */
export const sharedHeader: LargeObjectRules = {
  offset: (alignment) =>
    alignment < PAGE_BYTES ? alignUp(LARGE_HEADER_BYTES, alignment) : PAGE_BYTES,
  total: (size, offset) => alignUp(size + offset, PAGE_BYTES),
};

/** Before: always, so that a large object can be told by its offset in the page. */
export const pageHeader: LargeObjectRules = {
  offset: () => PAGE_BYTES,
  total: (size, offset) => alignUp(size, PAGE_BYTES) + offset,
};

/** Physical addresses are numbers of bytes. */
export class LargeObjects {
  readonly #memory: PhysicalMemory;
  readonly #ranges: PageRanges;
  readonly #rules: LargeObjectRules;

  constructor(memory: PhysicalMemory, ranges: PageRanges, rules: LargeObjectRules) {
    this.#memory = memory;
    this.#ranges = ranges;
    this.#rules = rules;
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
    this.#memory.words[first * WORDS_PER_PAGE + PAGES] = pages;
    return first * PAGE_BYTES + offset;
  }

  free(address: number): void {
    const first = firstPageOf(address);
    this.#ranges.free(first, this.#pagesFrom(first));
  }

  /** What malloc_usable_size(3) says. */
  usableBytes(address: number): number {
    const first = firstPageOf(address);
    return this.#pagesFrom(first) * PAGE_BYTES - (address - first * PAGE_BYTES);
  }

  #pagesFrom(first: number): number {
    return this.#memory.words[first * WORDS_PER_PAGE + PAGES] ?? 0;
  }
}

/** The header's page is that of the byte before the object. */
function firstPageOf(address: number): number {
  return Math.floor((address - 1) / PAGE_BYTES);
}

function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}
