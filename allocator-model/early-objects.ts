/**
 * Objects from before the CPUs are up (OSv, core/mempool.cc, early_alloc_object): one after the other in a page with
 * a header of 16 bytes, each behind its size in two bytes. A page goes back when its last object is freed.
 */
import { PAGE_BYTES } from "./address-layout.ts";
import { Lock } from "./lock.ts";
import { type PhysicalMemory, WORDS_PER_PAGE } from "./physical-memory.ts";
import type { PageSource } from "./small-objects.ts";

/** early_page_header: owner, always null, which a page of small objects never has; count, 16 bits. */
export const EARLY_HEADER_BYTES = 16;
const COUNT_AT = 8;
const SIZE_BYTES = 2;
/** The CPU that boots. */
const BOOT_CPU = 0;

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
  readonly #pages: PageSource;
  /** Objects are allocated by the CPU that boots, and freed by any. */
  readonly #lock: Lock;
  /** The page that is being filled, and where its free part begins. */
  #page: number | undefined;
  #next = 0;

  constructor(memory: PhysicalMemory, pages: PageSource) {
    this.#memory = memory;
    this.#pages = pages;
    this.#lock = new Lock(memory);
  }

  /** @returns the object's physical address; undefined when there is no page for it */
  allocate(size: number, alignment: number): number | undefined {
    let offset = offsetFrom(this.#next, alignment);
    if (this.#page === undefined || offset + size > PAGE_BYTES) {
      const page = this.#pages.allocatePage(BOOT_CPU);
      if (page === undefined) return undefined;
      this.#page = page;
      this.#memory.words.fill(0, page * WORDS_PER_PAGE, page * WORDS_PER_PAGE + 4);
      offset = offsetFrom(EARLY_HEADER_BYTES, alignment);
    }
    const address = this.#page * PAGE_BYTES + offset;
    this.#next = offset + size;
    this.#setHalfWord(address - SIZE_BYTES, size);
    this.#addToCount(this.#page, 1);
    return address;
  }

  /** Freeing it again does nothing. */
  free(address: number): void {
    this.#lock.acquire();
    this.#free(address);
    this.#lock.release();
  }

  #free(address: number): void {
    const size = this.usableBytes(address);
    if (size === 0) return;
    const page = Math.floor(address / PAGE_BYTES);
    this.#setHalfWord(address - SIZE_BYTES, 0);
    const count = this.#addToCount(page, -1);
    if (count === 0) {
      if (this.#page === page) this.#page = undefined;
      this.#pages.freePage(page, BOOT_CPU);
    } else if (this.#page === page && (address % PAGE_BYTES) + size === this.#next) {
      // The last one: its place is used again. Only this one step is gone back.
      this.#next = (address % PAGE_BYTES) - SIZE_BYTES;
    }
  }

  /** What malloc_usable_size(3) says: what was asked for. */
  usableBytes(address: number): number {
    return this.#halfWord(address - SIZE_BYTES);
  }

  #addToCount(page: number, change: number): number {
    const at = page * PAGE_BYTES + COUNT_AT;
    const count = this.#halfWord(at) + change;
    this.#setHalfWord(at, count);
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
