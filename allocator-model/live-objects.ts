/**
 * Which objects are there, for checks: a bit for each byte of memory that is the first of an object, and one for each
 * that is the last of what was asked for. A fourth of the memory's size, in shared memory that is only taken
 * where a bit is set; a million objects more or less do not change it.
 */
import { PAGE_BYTES } from "./address-layout.ts";
import type { PhysicalMemory } from "./physical-memory.ts";

const BITS = 32;

/** Physical addresses are numbers of bytes. */
export class LiveObjects {
  readonly #begins: Int32Array;
  readonly #ends: Int32Array;

  constructor(memory: PhysicalMemory) {
    const words = (memory.pageCount * PAGE_BYTES) / BITS;
    this.#begins = memory.atomicsTable(words);
    this.#ends = memory.atomicsTable(words);
  }

  /** @param size bytes; an object of none counts as one of 1 */
  add(address: number, size: number): void {
    change(this.#begins, address, true);
    change(this.#ends, address + Math.max(size, 1) - 1, true);
  }

  remove(address: number): void {
    change(this.#ends, address + this.sizeOf(address) - 1, false);
    change(this.#begins, address, false);
  }

  /** Whether an object begins there. */
  has(address: number): boolean {
    return ((this.#begins[Math.floor(address / BITS)] ?? 0) & (1 << (address % BITS))) !== 0;
  }

  /** Of an object that begins there: what was asked for. */
  sizeOf(address: number): number {
    return (next(this.#ends, address) ?? address) - address + 1;
  }

  /** The last begin of an object at or before an address. */
  before(address: number): number | undefined {
    return previous(this.#begins, address);
  }

  /** The first begin of an object at or behind an address. */
  behind(address: number): number | undefined {
    return next(this.#begins, address);
  }

  /** Where objects begin, in order. */
  *addresses(): Generator<number> {
    for (let at = this.behind(0); at !== undefined; at = this.behind(at + 1)) yield at;
  }
}

/** CPUs may be threads, and neighbours share words. */
function change(table: Int32Array, at: number, isSet: boolean): void {
  const word = Math.floor(at / BITS);
  const bit = 1 << (at % BITS);
  if (isSet) Atomics.or(table, word, bit);
  else Atomics.and(table, word, ~bit);
}

function next(table: Int32Array, from: number): number | undefined {
  let word = Math.floor(from / BITS);
  let bits = (table[word] ?? 0) & (-1 << (from % BITS));
  while (bits === 0) {
    word += 1;
    if (word >= table.length) return undefined;
    bits = table[word] ?? 0;
  }
  return word * BITS + (BITS - 1 - Math.clz32(bits & -bits));
}

function previous(table: Int32Array, from: number): number | undefined {
  let word = Math.floor(from / BITS);
  let bits = (table[word] ?? 0) & (-1 >>> (BITS - 1 - (from % BITS)));
  while (bits === 0) {
    word -= 1;
    if (word < 0) return undefined;
    bits = table[word] ?? 0;
  }
  return word * BITS + (BITS - 1 - Math.clz32(bits));
}
