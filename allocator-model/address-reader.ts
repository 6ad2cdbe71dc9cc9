/**
 * Addresses of one layout, as two unsigned halves of 32 bits: a bigint takes a hundred times as long. Nothing
 * here allocates memory.
 */
import { type AddressLayout, AREA_SHIFT } from "./address-layout.ts";

/** Not exported: V8 reads an exported constant from its module each time, which was a quarter of `areaOf`. */
const NONE = -1;
/** `areaOf` of an address that is in no area. */
export const NO_AREA = NONE;

/** Bits of the physical address that are in the high half. */
const PHYSICAL_HIGH_BITS = Number(AREA_SHIFT) - 32;
const PHYSICAL_HIGH_MASK = 2 ** PHYSICAL_HIGH_BITS - 1;
const TWO_32 = 2 ** 32;
const PAGE_SHIFT = 12;
const PAGES_PER_HIGH = 2 ** (32 - PAGE_SHIFT);

export class AddressReader {
  readonly layout: AddressLayout;
  readonly #baseHigh: number;
  /** Areas lie side by side: 16 TiB by 16 TiB, this is the number of the first one. */
  readonly #first: number;
  readonly #count: number;

  constructor(layout: AddressLayout) {
    this.layout = layout;
    this.#baseHigh = Number(layout.base >> 32n);
    this.#first = this.#baseHigh >>> PHYSICAL_HIGH_BITS;
    this.#count = layout.areas.length;
  }

  /** @returns the area's number, or NO_AREA */
  areaOf(high: number): number {
    const number = (high >>> PHYSICAL_HIGH_BITS) - this.#first;
    return number >= 0 && number < this.#count ? number : NONE;
  }

  /** Physical address of an address in an identity area; exact, below 2^44. */
  physicalOf(high: number, low: number): number {
    return (high & PHYSICAL_HIGH_MASK) * TWO_32 + low;
  }

  /** Number of its physical page. */
  pageOf(high: number, low: number): number {
    return (high & PHYSICAL_HIGH_MASK) * PAGES_PER_HIGH + (low >>> PAGE_SHIFT);
  }

  /** High half of the address of a physical address in an area; the low half is the physical one's. */
  highOf(area: number, physical: number): number {
    const tag = this.#baseHigh | (area << PHYSICAL_HIGH_BITS);
    return (tag | Math.floor(physical / TWO_32)) >>> 0;
  }
}
