/**
 * The mempool: objects of up to a quarter of a page, in pages of objects of one size (OSv, core/mempool.cc, pool).
 * A page has a header of 40 bytes with the list of its free objects. Each CPU has pages of its own, so that
 * allocating takes no lock; an object that another CPU frees goes into a queue (sink) and is collected by
 * its owner.
 */
import { PAGE_BYTES } from "./address-layout.ts";
import { type PhysicalMemory, WORD_BYTES, WORDS_PER_PAGE } from "./physical-memory.ts";
import { Sinks, type SlotState } from "./sinks.ts";

/** Where whole pages come from. */
export interface PageSource {
  /** @returns the page's number; undefined when there is none */
  allocatePage(cpu: number): number | undefined;
  freePage(page: number, cpu: number): void;
}

/** pool::page_header: owner, CPU, count, two list links, local_free. */
export const POOL_HEADER_BYTES = 40;
const OWNER = 0;
const CPU = 2;
const COUNT = 3;
const NEXT = 4;
const PREVIOUS = 6;
const LOCAL_FREE = 8;

const SMALLEST_SHIFT = 3;
/** Sizes are powers of two from 8 to 2048; OSv stops at 1024 since 2014. */
export const SIZE_CLASSES = 9;
/** Pushes to one sink after which its owner is told to collect. */
const SINK_PUSHES = 256;
const NONE = 0xffff_ffff;

/** @returns the class of the smallest objects that hold so many bytes: 0 for 8 */
export function sizeClassOf(bytes: number): number {
  return bytes <= 2 ** SMALLEST_SHIFT ? 0 : 32 - Math.clz32(bytes - 1) - SMALLEST_SHIFT;
}

export function bytesOf(sizeClass: number): number {
  return 2 ** (SMALLEST_SHIFT + sizeClass);
}

/** How many a page has room for. */
function objectsIn(sizeClass: number): number {
  return Math.floor((PAGE_BYTES - POOL_HEADER_BYTES) / bytesOf(sizeClass));
}

/** What a page's header says. */
export interface PoolPage {
  readonly cpu: number;
  readonly objectBytes: number;
  /** In use, or waiting in a sink. */
  readonly used: number;
  /** It has room for so many; they end where it does. */
  readonly slots: number;
}

/** Physical addresses are numbers of bytes. */
export class SmallObjects {
  readonly #memory: PhysicalMemory;
  readonly #pages: PageSource;
  readonly #cpus: number;
  /** Of pages with a free object, by CPU and class. */
  readonly #first: Uint32Array;
  readonly #last: Uint32Array;
  readonly #sinks: Sinks;

  constructor(memory: PhysicalMemory, pages: PageSource, cpus: number) {
    this.#memory = memory;
    this.#pages = pages;
    this.#cpus = cpus;
    this.#first = memory.wordsTable(cpus * SIZE_CLASSES, NONE);
    this.#last = memory.wordsTable(cpus * SIZE_CLASSES, NONE);
    this.#sinks = new Sinks(memory, cpus, SINK_PUSHES);
  }

  /** @returns the object's physical address; undefined when there is no page for it */
  allocate(cpu: number, sizeClass: number): number | undefined {
    const list = cpu * SIZE_CLASSES + sizeClass;
    if (this.#first[list] === NONE) this.#addPage(cpu, sizeClass);
    // Where there is no page, looking for one may have brought back objects from the sinks.
    const page = this.#first[list] ?? NONE;
    if (page === NONE) return undefined;
    const offset = this.#get(page, LOCAL_FREE);
    const { words } = this.#memory;
    const next = words[(page * PAGE_BYTES + offset) / WORD_BYTES] ?? 0;
    this.#set(page, COUNT, this.#get(page, COUNT) + 1);
    this.#set(page, LOCAL_FREE, next);
    if (next === 0) this.#unlink(list, page);
    return page * PAGE_BYTES + offset;
  }

  /**
   * Frees an object on any CPU.
   *
   * @returns the CPU that should collect now; undefined when none need
   */
  free(cpu: number, address: number): number | undefined {
    const page = Math.floor(address / PAGE_BYTES);
    const owner = this.#get(page, CPU);
    if (owner === cpu) {
      this.#freeHere(page, address);
      return undefined;
    }
    return this.#sinks.push(owner, cpu, address) ? owner : undefined;
  }

  /** Takes back what other CPUs freed of this one's. @returns how many objects */
  collect(cpu: number): number {
    let collected = 0;
    for (const address of this.#sinks.take(cpu)) {
      this.#freeHere(Math.floor(address / PAGE_BYTES), address);
      collected += 1;
    }
    return collected;
  }

  /** What malloc_usable_size(3) says. */
  usableBytes(address: number): number {
    return bytesOf(this.#get(Math.floor(address / PAGE_BYTES), OWNER) - 1);
  }

  /** Of a page that has small objects. */
  pageAt(page: number): PoolPage {
    const sizeClass = this.#get(page, OWNER) - 1;
    return {
      cpu: this.#get(page, CPU),
      objectBytes: bytesOf(sizeClass),
      used: this.#get(page, COUNT),
      slots: objectsIn(sizeClass),
    };
  }

  /** Of a place for an object, by its begin. */
  stateOf(address: number): SlotState {
    const page = Math.floor(address / PAGE_BYTES);
    for (const offset of this.#freeOffsets(page))
      if (offset === address % PAGE_BYTES) return "free";
    return this.#sinks.isWaiting(this.#get(page, CPU), address) ? "waiting" : "in use";
  }

  /** How many pages are kept though nothing in them is in use. OSv looks for one at the end of a list only. */
  emptyPages(): number {
    let empty = 0;
    for (let cpu = 0; cpu < this.#cpus; cpu += 1) {
      for (let sizeClass = 0; sizeClass < SIZE_CLASSES; sizeClass += 1) {
        for (const { count } of this.pagesOf(cpu, sizeClass)) empty += count === 0 ? 1 : 0;
      }
    }
    return empty;
  }

  /** Pages that have a free object, in the order they are used. */
  *pagesOf(
    cpu: number,
    sizeClass: number,
  ): Generator<{ readonly page: number; readonly count: number }> {
    let page = this.#first[cpu * SIZE_CLASSES + sizeClass] ?? NONE;
    while (page !== NONE) {
      yield { page, count: this.#get(page, COUNT) };
      page = this.#get(page, NEXT);
    }
  }

  /** @returns what is wrong with lists and headers: a sentence each */
  violations(): string[] {
    const found: string[] = [];
    for (let cpu = 0; cpu < this.#cpus; cpu += 1) {
      for (let sizeClass = 0; sizeClass < SIZE_CLASSES; sizeClass += 1) {
        let previous = NONE;
        for (const { page, count } of this.pagesOf(cpu, sizeClass)) {
          const where = `page ${page} of CPU ${cpu}, objects of ${bytesOf(sizeClass)} bytes`;
          const free = this.#freeIn(page, sizeClass);
          const holds = objectsIn(sizeClass);
          if (this.#get(page, OWNER) !== sizeClass + 1 || this.#get(page, CPU) !== cpu)
            found.push(`The header does not name its list: ${where}`);
          if (this.#get(page, PREVIOUS) !== previous) found.push(`The list is torn at ${where}`);
          if (free === 0 || free + count !== holds)
            found.push(`${free} objects are free and ${count} in use of ${holds}: ${where}`);
          previous = page;
        }
        if ((this.#last[cpu * SIZE_CLASSES + sizeClass] ?? NONE) !== previous)
          found.push(`The last page of class ${sizeClass} of CPU ${cpu} is wrong`);
      }
    }
    return found;
  }

  /** Length of a page's free list; more than there is room for when it runs in a circle, or is no list. */
  #freeIn(page: number, sizeClass: number): number {
    const limit = objectsIn(sizeClass) + 1;
    let count = 0;
    for (const offset of this.#freeOffsets(page)) {
      if (offset % bytesOf(sizeClass) !== 0 || offset < POOL_HEADER_BYTES || offset >= PAGE_BYTES)
        return limit;
      count += 1;
      if (count === limit) break;
    }
    return count;
  }

  *#freeOffsets(page: number): Generator<number> {
    const { words } = this.#memory;
    for (let offset = this.#get(page, LOCAL_FREE); offset !== 0; ) {
      yield offset;
      offset = words[(page * PAGE_BYTES + offset) / WORD_BYTES] ?? 0;
    }
  }

  #addPage(cpu: number, sizeClass: number): void {
    const page = this.#pages.allocatePage(cpu);
    if (page === undefined) return;
    const size = bytesOf(sizeClass);
    const { words } = this.#memory;
    let free = 0;
    // From the end downwards: so each is aligned to its size, and the lowest is handed out first.
    for (let offset = PAGE_BYTES - size; offset >= POOL_HEADER_BYTES; offset -= size) {
      words[(page * PAGE_BYTES + offset) / WORD_BYTES] = free;
      free = offset;
    }
    this.#set(page, OWNER, sizeClass + 1); // 0 is that of an early object's page.
    this.#set(page, CPU, cpu);
    this.#set(page, COUNT, 0);
    this.#set(page, LOCAL_FREE, free);
    this.#pushBack(cpu * SIZE_CLASSES + sizeClass, page);
  }

  /** pool::free_same_cpu: one empty page is kept, the next goes back. */
  #freeHere(page: number, address: number): void {
    const cpu = this.#get(page, CPU);
    const list = cpu * SIZE_CLASSES + this.#get(page, OWNER) - 1;
    const count = this.#get(page, COUNT) - 1;
    const free = this.#get(page, LOCAL_FREE);
    this.#set(page, COUNT, count);
    if (count === 0 && this.#hasOtherEmptyPage(list, page)) {
      if (free !== 0) this.#unlink(list, page);
      this.#pages.freePage(page, cpu);
      return;
    }
    if (free === 0) {
      if (count > 0) this.#pushFront(list, page);
      else this.#pushBack(list, page);
    }
    this.#memory.words[address / WORD_BYTES] = free;
    this.#set(page, LOCAL_FREE, address % PAGE_BYTES);
  }

  /** Empty pages are put at the back; one that became empty where it was is not looked for. */
  #hasOtherEmptyPage(list: number, page: number): boolean {
    const last = this.#last[list] ?? NONE;
    return last !== NONE && last !== page && this.#get(last, COUNT) === 0;
  }

  #pushFront(list: number, page: number): void {
    const first = this.#first[list] ?? NONE;
    this.#set(page, PREVIOUS, NONE);
    this.#set(page, NEXT, first);
    if (first === NONE) this.#last[list] = page;
    else this.#set(first, PREVIOUS, page);
    this.#first[list] = page;
  }

  #pushBack(list: number, page: number): void {
    const last = this.#last[list] ?? NONE;
    this.#set(page, NEXT, NONE);
    this.#set(page, PREVIOUS, last);
    if (last === NONE) this.#first[list] = page;
    else this.#set(last, NEXT, page);
    this.#last[list] = page;
  }

  #unlink(list: number, page: number): void {
    const next = this.#get(page, NEXT);
    const previous = this.#get(page, PREVIOUS);
    if (next === NONE) this.#last[list] = previous;
    else this.#set(next, PREVIOUS, previous);
    if (previous === NONE) this.#first[list] = next;
    else this.#set(previous, NEXT, next);
  }

  #get(page: number, field: number): number {
    return this.#memory.words[page * WORDS_PER_PAGE + field] ?? NONE;
  }

  #set(page: number, field: number, value: number): void {
    this.#memory.words[page * WORDS_PER_PAGE + field] = value;
  }
}
