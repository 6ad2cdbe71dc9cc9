/**
 * Objects from before the CPUs are up (OSv, core/mempool.cc, early_alloc_object): one after the other in a page with
 * a header of 16 bytes, each behind its size in two bytes. A page goes back when its last object is freed.
 */
import { PAGE_BYTES } from "./address-layout.ts";
import { Lock } from "./lock.ts";
import { type PhysicalMemory, WORDS_PER_PAGE } from "./physical-memory.ts";

/** Where pages come from while there are no pools, and go to whoever frees the last object of one. */
export interface EarlyPageSource {
  /** @returns the page's number; undefined when there is none */
  allocatePage(): number | undefined;
  freePage(page: number): void;
}

/** early_page_header: owner, always null, which a page of small objects never has; count, 16 bits. */
export const EARLY_HEADER_BYTES = 16;
const COUNT_AT = 8;
const SIZE_BYTES = 2;

/** Words of the state: the page that is being filled, where its free part begins, and where it began one object ago. */
const PAGE = 0;
const NEXT = 1;
const PREVIOUS = 2;
const STATE_WORDS = 3;
const NONE = 0xffff_ffff;

/** Whether an object fits into a page of early objects. */
export function fitsEarly(size: number, alignment: number): boolean {
  return offsetFrom(EARLY_HEADER_BYTES, alignment) + size <= PAGE_BYTES;
}

/** Whether a page has early objects, and not small ones. */
export function isEarlyPage({ words }: PhysicalMemory, page: number): boolean {
  return words[page * WORDS_PER_PAGE] === 0;
}

/** Physical addresses are numbers of bytes. */
export class EarlyObjects {
  readonly #memory: PhysicalMemory;
  readonly #pages: EarlyPageSource;
  /** Objects are freed by any CPU. */
  readonly #lock: Lock;
  readonly #state: Uint32Array;

  constructor(memory: PhysicalMemory, pages: EarlyPageSource) {
    this.#memory = memory;
    this.#pages = pages;
    this.#lock = new Lock(memory);
    this.#state = memory.wordsTable(STATE_WORDS, NONE);
  }

  /**
   * @param size at least 1: what has a size of 0 is free
   * @returns the object's physical address; undefined when there is no page for it
   */
  allocate(size: number, alignment: number): number | undefined {
    this.#lock.acquire();
    const address = this.#allocate(size, alignment);
    this.#lock.release();
    return address;
  }

  /** Freeing it again does nothing. */
  free(address: number): void {
    this.#lock.acquire();
    this.#free(address);
    this.#lock.release();
  }

  #allocate(size: number, alignment: number): number | undefined {
    const state = this.#state;
    if (state[PAGE] === NONE || offsetFrom(this.#next, alignment) + size > PAGE_BYTES) {
      const page = this.#pages.allocatePage();
      if (page === undefined) return undefined;
      this.#memory.words.fill(0, page * WORDS_PER_PAGE, page * WORDS_PER_PAGE + 4);
      state[PAGE] = page;
      state[NEXT] = EARLY_HEADER_BYTES;
    }
    const page = state[PAGE] ?? NONE;
    const offset = offsetFrom(this.#next, alignment);
    const address = page * PAGE_BYTES + offset;
    state[PREVIOUS] = this.#next;
    state[NEXT] = offset + size;
    this.#setHalfWord(address - SIZE_BYTES, size);
    this.#addToCount(page, 1);
    return address;
  }

  #free(address: number): void {
    const size = this.usableBytes(address);
    if (size === 0) return;
    const state = this.#state;
    const page = Math.floor(address / PAGE_BYTES);
    this.#setHalfWord(address - SIZE_BYTES, 0);
    const count = this.#addToCount(page, -1);
    if (count === 0) {
      if (state[PAGE] === page) state[PAGE] = NONE;
      this.#pages.freePage(page);
    } else if (state[PAGE] === page && (address % PAGE_BYTES) + size === this.#next) {
      // The last one: its place is used again, with what lies before it. The one before is not known any more.
      state[NEXT] = state[PREVIOUS] ?? NONE;
    }
  }

  get #next(): number {
    return this.#state[NEXT] ?? NONE;
  }

  /** What malloc_usable_size(3) says: what was asked for. */
  usableBytes(address: number): number {
    return this.#halfWord(address - SIZE_BYTES);
  }

  /** How many are in a page. */
  countIn(page: number): number {
    return this.#halfWord(page * PAGE_BYTES + COUNT_AT);
  }

  #addToCount(page: number, change: number): number {
    const count = this.countIn(page) + change;
    this.#setHalfWord(page * PAGE_BYTES + COUNT_AT, count);
    return count;
  }

  #halfWord(at: number): number {
    const { bytes } = this.#memory;
    return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
  }

  #setHalfWord(at: number, value: number): void {
    const { bytes } = this.#memory;
    bytes[at] = value & 0xff;
    bytes[at + 1] = value >>> 8;
  }
}

/** Of the next object, behind its size. */
function offsetFrom(next: number, alignment: number): number {
  return Math.ceil((next + SIZE_BYTES) / alignment) * alignment;
}
