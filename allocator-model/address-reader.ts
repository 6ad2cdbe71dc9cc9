/**
 * Addresses of one layout, as two unsigned halves of 32 bits: a bigint takes a hundred times as long. Nothing
 * here allocates memory.
 */
import { type AddressLayout, AREA_SHIFT } from "./address-layout.ts";

/** `areaOf` of an address that is in no area. */
export const NO_AREA = -1;

/** Bits of the physical address that are in the high half. */
const PHYSICAL_HIGH_BITS = Number(AREA_SHIFT) - 32;
const PHYSICAL_HIGH_MASK = 2 ** PHYSICAL_HIGH_BITS - 1;
const TWO_32 = 2 ** 32;
const PAGE_SHIFT = 12;
const PAGES_PER_HIGH = 2 ** (32 - PAGE_SHIFT);

export class AddressReader {
  readonly layout: AddressLayout;
  readonly #baseHigh: number;
  readonly #mask: number;
  readonly #topShift: number;
  readonly #top: number;

  constructor(layout: AddressLayout) {
    this.layout = layout;
    const bits = Math.log2(layout.areas.length);
    this.#baseHigh = Number(layout.base >> 32n);
    this.#mask = layout.areas.length - 1;
    this.#topShift = PHYSICAL_HIGH_BITS + bits;
    this.#top = this.#baseHigh >>> this.#topShift;
  }

  /** @returns the area's number, or NO_AREA */
  areaOf(high: number): number {
    if (high >>> this.#topShift !== this.#top) return NO_AREA;
    return (high >>> PHYSICAL_HIGH_BITS) & this.#mask;
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

  /** The same place seen through another area. */
  highIn(area: number, high: number): number {
    return (this.#baseHigh | (area << PHYSICAL_HIGH_BITS) | (high & PHYSICAL_HIGH_MASK)) >>> 0;
  }
}
