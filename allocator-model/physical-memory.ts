/**
 * The model's physical memory. Headers and free lists of the allocators are in it, where the C++ code has
 * them; what the C++ code keeps elsewhere is in tables beside it. All of it is shared memory: simulated CPUs
 * may be threads.
 */

import { PAGE_BYTES } from "./address-layout.ts";
import { AllocatorError } from "./allocator-error.ts";

export const WORD_BYTES = 4;
export const WORDS_PER_PAGE = PAGE_BYTES / WORD_BYTES;
/** Words are numbered with 32 bits: 16 GiB of them. */
const PAGES_MAX = 2 ** 22;

/** All memory of a heap, to be sent to another thread. */
export interface MemoryShare {
  readonly pages: SharedArrayBuffer;
  readonly tables: readonly SharedArrayBuffer[];
}

/** Told of every use of a word or table entry. @param table 0 for the memory itself, else that of the table */
export type AccessObserver = (table: number, byte: number) => void;

export class PhysicalMemory {
  readonly pageCount: number;
  readonly bytes: Uint8Array;
  /** The same memory; little-endian, as the machine that it models. */
  readonly words: Uint32Array;
  /** Whether another thread made it: then nothing in it may be set up anew. */
  readonly isAttached: boolean;
  readonly #pages: SharedArrayBuffer;
  readonly #tables: SharedArrayBuffer[];
  readonly #observer: AccessObserver | undefined;
  #tablesMade = 0;

  /** @throws {AllocatorError} WL_ALLOC_RANGE for less than a page or more than 16 GiB */
  constructor(from: number | MemoryShare, observer?: AccessObserver) {
    this.isAttached = typeof from !== "number";
    this.#observer = observer;
    if (typeof from === "number") {
      if (!Number.isInteger(from) || from < 1 || from > PAGES_MAX) {
        throw new AllocatorError(
          "WL_ALLOC_RANGE",
          `Physical memory has 1 to ${PAGES_MAX} pages, not ${from}`,
        );
      }
      this.#pages = new SharedArrayBuffer(from * PAGE_BYTES);
      this.#tables = [];
    } else {
      this.#pages = from.pages;
      this.#tables = [...from.tables];
    }
    this.pageCount = this.#pages.byteLength / PAGE_BYTES;
    this.bytes = new Uint8Array(this.#pages);
    this.words = this.#observed(new Uint32Array(this.#pages), 0);
  }

  /** To be given to the constructor in another thread, which makes the same tables in the same order. */
  share(): MemoryShare {
    return { pages: this.#pages, tables: this.#tables };
  }

  /** A table of small numbers beside the memory. */
  bytesTable(length: number): Uint8Array {
    return this.#observed(new Uint8Array(this.#nextTable(length).buffer), this.#tablesMade);
  }

  /** A table of words beside the memory. */
  wordsTable(length: number, fill = 0): Uint32Array {
    const { buffer, isNew } = this.#nextTable(length * WORD_BYTES);
    const table = new Uint32Array(buffer);
    if (isNew) table.fill(fill);
    return this.#observed(table, this.#tablesMade);
  }

  /** Words for Atomics; their use is not observed. */
  atomicsTable(length: number, fill = 0): Int32Array {
    const { buffer, isNew } = this.#nextTable(length * WORD_BYTES);
    const table = new Int32Array(buffer);
    if (isNew) table.fill(fill);
    return table;
  }

  #nextTable(bytes: number): { readonly buffer: SharedArrayBuffer; readonly isNew: boolean } {
    const made = this.#tables[this.#tablesMade];
    this.#tablesMade += 1;
    if (made) return { buffer: made, isNew: false };
    const buffer = new SharedArrayBuffer(bytes);
    this.#tables.push(buffer);
    return { buffer, isNew: true };
  }

  #observed<T extends Uint8Array | Uint32Array>(array: T, table: number): T {
    const observer = this.#observer;
    if (!observer) return array;
    const note = (key: string | symbol): void => {
      const index = typeof key === "string" ? Number(key) : Number.NaN;
      if (Number.isInteger(index)) observer(table, index * array.BYTES_PER_ELEMENT);
    };
    return new Proxy(array, {
      get(target, key) {
        note(key);
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
      set(target, key, value) {
        note(key);
        return Reflect.set(target, key, value, target);
      },
    });
  }
}
