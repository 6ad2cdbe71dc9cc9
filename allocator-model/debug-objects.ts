/**
 * The debug allocator (OSv, core/mempool.cc, namespace dbg): each object has virtual pages of its own that are never
 * used again, between pages that are not mapped.
 *
 *     header page | not mapped | data pages, 0 or more | not mapped
 *
 * The object begins its first data page, and the rest of the last one is filled. So a byte behind the object is
 * found when it is freed, a page behind it at once, and so is any use after free.
 *
 * What the C++ code finds by a fault or an assertion is an error here. It says what is there, for which the
 * live objects are kept in a map too: one thread's, so a heap that is shared by threads has no such region.
 */
import { PAGE_BYTES } from "./address-layout.ts";
import { type BadPointer, type BadPointerKind, badPointer } from "./bad-pointer.ts";
import { PageTable, VIRTUAL_PAGES } from "./page-table.ts";
import { type PhysicalMemory, WORDS_PER_PAGE } from "./physical-memory.ts";
import type { PageSource } from "./small-objects.ts";

/** From the header to the object, and behind it. */
const PAGES_BEFORE = 2;
const PAGES_AFTER = 1;
/** dbg::header: size, 16 bytes of fence, size again; sizes have 8 bytes. */
const SIZE_WORDS = [0, 6] as const;
const FENCE_AT = 8;
const FENCE_END = 24;
const FENCE = "$".charCodeAt(0);
/** Objects are filled from this value upwards, to catch use before initialisation. */
const FIRST_GARBAGE = 3;
const TWO_32 = 2 ** 32;

type Place =
  | { readonly kind: "data" | "header" | "guard"; readonly begin: number; readonly size: number }
  | { readonly kind: "gone" }
  | { readonly kind: "never" };

/** Addresses are numbers of bytes from the area's begin. */
export class DebugObjects {
  readonly table: PageTable;
  readonly #memory: PhysicalMemory;
  readonly #pages: PageSource;
  readonly #base: bigint;
  /** Sizes of live objects by their address. */
  readonly #live = new Map<number, number>();
  /** The first virtual page that was never handed out. */
  #next = 0;

  /** @param base the area's first address, for errors */
  constructor(memory: PhysicalMemory, pages: PageSource, base: bigint) {
    this.#memory = memory;
    this.#pages = pages;
    this.#base = base;
    this.table = new PageTable(memory, pages);
  }

  /** Bytes of virtual space that were handed out: of 2^44, and none comes back. */
  get usedBytes(): number {
    return this.#next * PAGE_BYTES;
  }

  /** Live objects, oldest first. */
  *objects(): Generator<{ readonly address: number; readonly size: number }> {
    for (const [address, size] of this.#live) yield { address, size };
  }

  /** @returns the object's address; undefined when there are no pages for it, physical or virtual */
  allocate(cpu: number, size: number, alignment: number): number | undefined {
    const dataPages = Math.ceil(size / PAGE_BYTES);
    const aligned = Math.max(alignment / PAGE_BYTES, 1);
    const next = this.#next + PAGES_BEFORE + dataPages + PAGES_AFTER + aligned - 1;
    if (next > VIRTUAL_PAGES) return undefined;
    const begin = Math.ceil((this.#next + PAGES_BEFORE) / aligned) * aligned;
    const header = begin - PAGES_BEFORE;
    if (!this.#populate(header, 1, cpu)) return undefined;
    if (!this.#populate(begin, dataPages, cpu)) {
      this.#depopulate(header, 1, cpu);
      return undefined;
    }
    this.#next = next;
    this.#writeHeader(header, size);
    for (let page = 0; page < dataPages; page += 1) this.#fill(begin + page, page, size);
    this.#live.set(begin * PAGE_BYTES, size);
    return begin * PAGE_BYTES;
  }

  /**
   * @throws {AllocatorError} WL_ALLOC_POINTER, WL_ALLOC_DOUBLE_FREE, and WL_ALLOC_OVERRUN when bytes beside the
   * object are not as they were; then it stays as it is, for a look
   */
  free(cpu: number, address: number): void {
    const size = this.#check(address, "double-free");
    const begin = address / PAGE_BYTES;
    const damaged = this.#damagedByte(begin, size);
    if (damaged !== undefined) {
      const what = `byte ${damaged} of the object of ${size} bytes was written to`;
      throw this.#error("overrun", address, what, "Find who writes behind it", { address, size });
    }
    this.#live.delete(address);
    this.#depopulate(begin - PAGES_BEFORE, 1, cpu);
    this.#depopulate(begin, Math.ceil(size / PAGE_BYTES), cpu);
  }

  /** What malloc_usable_size(3) says: what was asked for. @throws as `free`, WL_ALLOC_USE_AFTER_FREE */
  usableBytes(address: number): number {
    return this.#check(address, "use-after-free");
  }

  /** @throws {AllocatorError} WL_ALLOC_OVERRUN, WL_ALLOC_USE_AFTER_FREE, WL_ALLOC_POINTER where the CPU faults */
  read(address: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.#each(address, length, (physical, at, count) => {
      bytes.set(this.#memory.bytes.subarray(physical, physical + count), at);
    });
    return bytes;
  }

  /** As `read`. Nothing is written when a byte of it cannot be. */
  write(address: number, bytes: Uint8Array): void {
    this.#each(address, bytes.length, () => {});
    this.#each(address, bytes.length, (physical, at, count) => {
      this.#memory.bytes.set(bytes.subarray(at, at + count), physical);
    });
  }

  /** @returns what is wrong with the table, headers and fences: a sentence each */
  violations(): string[] {
    const found = this.table.violations();
    const expected = new Set<number>();
    for (const [address, size] of this.#live) {
      const begin = address / PAGE_BYTES;
      const pages = Math.ceil(size / PAGE_BYTES);
      expected.add(begin - PAGES_BEFORE);
      for (let page = 0; page < pages; page += 1) expected.add(begin + page);
      const header = this.table.translate(begin - PAGES_BEFORE);
      if (header !== undefined && !this.#isHeader(header, size)) {
        found.push(`The header of the debug object at ${address} is overwritten`);
      }
      if (begin + pages + PAGES_AFTER > this.#next) {
        found.push(`The debug object at ${address} is in space that was not handed out`);
      }
    }
    for (const { virtual } of this.table.mappings()) {
      if (!expected.delete(virtual)) found.push(`Virtual page ${virtual} is mapped for no object`);
    }
    for (const virtual of expected)
      found.push(`Virtual page ${virtual} of an object is not mapped`);
    return found;
  }

  /** @returns the size of the object that begins there */
  #check(address: number, whenGone: BadPointerKind): number {
    const place = this.#placeOf(address);
    if (place.kind === "never") {
      const what = "no debug object was ever that far";
      throw this.#error("range", address, what, "Look for where the pointer was made up");
    }
    if (place.kind === "gone") {
      const what = "no object is there any more; debug addresses are not used again";
      throw this.#error(whenGone, address, what, "Find who freed it first");
    }
    const { begin, size } = place;
    if (begin !== address) {
      const what = `it is ${whereIn[place.kind]} the object of ${size} bytes`;
      const next = "Pass the address that the allocator returned";
      throw this.#error("interior", address, what, next, { address: begin, size });
    }
    const header = this.table.translate(begin / PAGE_BYTES - PAGES_BEFORE);
    if (header === undefined || !this.#isHeader(header, size)) {
      const what = `the header of its object of ${size} bytes, 2 pages before it, is overwritten`;
      const next = "Find who writes before it: no neighbour is near";
      throw this.#error("corrupt-header", address, what, next, { address, size });
    }
    return size;
  }

  #each(
    address: number,
    length: number,
    use: (physical: number, at: number, count: number) => void,
  ): void {
    for (let at = 0; at < length; ) {
      const virtual = address + at;
      const page = this.table.translate(Math.floor(virtual / PAGE_BYTES));
      if (page === undefined) throw this.#fault(virtual);
      const offset = virtual % PAGE_BYTES;
      const count = Math.min(PAGE_BYTES - offset, length - at);
      use(page * PAGE_BYTES + offset, at, count);
      at += count;
    }
  }

  #fault(address: number): Error {
    const place = this.#placeOf(address);
    if (place.kind === "never") {
      const what = "no debug object was ever that far";
      return this.#error("range", address, what, "Look for where the pointer was made up");
    }
    if (place.kind === "gone") {
      const what = "its object is freed: the CPU faults";
      return this.#error("use-after-free", address, what, "Find who freed it, and who kept it");
    }
    const { begin, size } = place;
    const next = "Find who computes this address";
    const what = `it is ${whereIn[place.kind]} the object of ${size} bytes`;
    return this.#error("overrun", address, what, next, { address: begin, size });
  }

  #placeOf(address: number): Place {
    const page = Math.floor(address / PAGE_BYTES);
    if (page >= this.#next) return { kind: "never" };
    const from = (kind: "data" | "header" | "guard", begin: number): Place | undefined => {
      const size = this.#live.get(begin * PAGE_BYTES);
      return size === undefined ? undefined : { kind, begin: begin * PAGE_BYTES, size };
    };
    const before = from("header", page + PAGES_BEFORE) ?? from("guard", page + 1);
    if (before) return before;
    const isMapped = this.table.translate(page) !== undefined;
    const kind = isMapped ? "data" : "guard";
    // The page itself for an object of no bytes; else data is one piece, and a guard follows its end.
    let begin = isMapped || this.#live.has(page * PAGE_BYTES) ? page : page - 1;
    while (this.table.translate(begin) !== undefined && !this.#live.has(begin * PAGE_BYTES))
      begin -= 1;
    return from(kind, begin) ?? { kind: "gone" };
  }

  #error(
    kind: BadPointerKind,
    address: number,
    what: string,
    next: string,
    object?: { readonly address: number; readonly size: number },
  ): Error {
    const page = this.table.translate(Math.floor(address / PAGE_BYTES));
    const facts: BadPointer = {
      kind,
      address: this.#base + BigInt(address),
      ...(page !== undefined && { page, owner: "debug" }),
      ...(object && { begin: this.#base + BigInt(object.address), size: object.size }),
    };
    const at = facts.begin === undefined ? "" : ` at 0x${facts.begin.toString(16)}`;
    return badPointer(facts, `${what}${at}`, next);
  }

  /** Maps pages that come from anywhere. @returns whether there were enough */
  #populate(first: number, count: number, cpu: number): boolean {
    for (let done = 0; done < count; done += 1) {
      const page = this.#pages.allocatePage(cpu);
      if (page !== undefined && this.table.map(first + done, page, cpu)) continue;
      if (page !== undefined) this.#pages.freePage(page, cpu);
      this.#depopulate(first, done, cpu);
      return false;
    }
    return true;
  }

  #depopulate(first: number, count: number, cpu: number): void {
    for (let virtual = first; virtual < first + count; virtual += 1) {
      const page = this.table.unmap(virtual, cpu);
      if (page !== undefined) this.#pages.freePage(page, cpu);
    }
  }

  #writeHeader(virtual: number, size: number): void {
    const page = this.table.translate(virtual) ?? 0;
    const { words, bytes } = this.#memory;
    for (const word of SIZE_WORDS) {
      words[page * WORDS_PER_PAGE + word] = size % TWO_32;
      words[page * WORDS_PER_PAGE + word + 1] = Math.floor(size / TWO_32);
    }
    bytes.fill(FENCE, page * PAGE_BYTES + FENCE_AT, page * PAGE_BYTES + FENCE_END);
  }

  #isHeader(page: number, size: number): boolean {
    const { words, bytes } = this.#memory;
    const at = page * WORDS_PER_PAGE;
    const sizes = SIZE_WORDS.map(
      (word) => (words[at + word + 1] ?? 0) * TWO_32 + (words[at + word] ?? 0),
    );
    const fence = bytes.subarray(page * PAGE_BYTES + FENCE_AT, page * PAGE_BYTES + FENCE_END);
    return sizes.every((one) => one === size) && fence.every((byte) => byte === FENCE);
  }

  /** The object's part in a page of its data, and the fence behind it. */
  #fill(virtual: number, index: number, size: number): void {
    const at = (this.table.translate(virtual) ?? 0) * PAGE_BYTES;
    const end = Math.min(size - index * PAGE_BYTES, PAGE_BYTES);
    const { bytes } = this.#memory;
    // A page is a multiple of 256: the values go on from one to the next.
    for (let byte = 0; byte < end; byte += 1) bytes[at + byte] = FIRST_GARBAGE + byte;
    bytes.fill(FENCE, at + end, at + PAGE_BYTES);
  }

  /** @returns the first byte behind the object that is not as it was filled, counted from its begin */
  #damagedByte(begin: number, size: number): number | undefined {
    const end = size % PAGE_BYTES;
    if (end === 0) return undefined;
    const last = begin + Math.floor(size / PAGE_BYTES);
    const at = (this.table.translate(last) ?? 0) * PAGE_BYTES;
    const tail = this.#memory.bytes.subarray(at + end, at + PAGE_BYTES);
    const damaged = tail.findIndex((byte) => byte !== FENCE);
    return damaged < 0 ? undefined : size + damaged;
  }
}

const whereIn = {
  data: "inside of",
  header: "in the header's page, 2 pages before",
  guard: "in a page that is not mapped, beside",
} as const;
