/** Addresses as bigints: the edge of the model. Inside it they are halves (address-reader.ts). Pure. */
import { type AddressLayout, AREA_SHIFT, type Area } from "./address-layout.ts";
import { AddressReader, NO_AREA } from "./address-reader.ts";
import { AllocatorError } from "./allocator-error.ts";

/** Physical addresses are below it. */
export const PHYSICAL_LIMIT = 1n << AREA_SHIFT;
const WORD = 1n << 64n;
/** Bits 63 to 47 of an address are equal: four-level paging, Intel SDM volume 1, 3.3.7.1. */
const CANONICAL_SHIFT = 47n;
const CANONICAL_HIGH = WORD >> CANONICAL_SHIFT;

export type DecodedAddress =
  | {
      readonly kind: "area";
      readonly area: Area;
      readonly number: number;
      /** Where it is in the area; the physical address in an area that is mapped one to one. */
      readonly offset: bigint;
    }
  /** In the layout's low half: mapped page by page, or not at all. */
  | { readonly kind: "low-half" }
  /** The scheme has nothing there. */
  | { readonly kind: "no-area" }
  /** The CPU faults at any use. */
  | { readonly kind: "non-canonical" };

/** @throws {AllocatorError} WL_ALLOC_ADDRESS when it has more than 64 bits */
export function decodeAddress(layout: AddressLayout, address: bigint): DecodedAddress {
  if (address < 0n || address >= WORD) {
    throw new AllocatorError("WL_ALLOC_ADDRESS", `"${hex(address)}" is no address of 64 bits`);
  }
  const top = address >> CANONICAL_SHIFT;
  if (top !== 0n && top !== CANONICAL_HIGH - 1n) return { kind: "non-canonical" };
  const number = new AddressReader(layout).areaOf(Number(address >> 32n));
  const area = layout.areas[number];
  if (number === NO_AREA || !area) {
    const { begin, last } = layout.lowHalf;
    return { kind: address >= begin && address <= last ? "low-half" : "no-area" };
  }
  return { kind: "area", area, number, offset: address & (PHYSICAL_LIMIT - 1n) };
}

/**
 * The address of a place in an area.
 *
 * @throws {AllocatorError} WL_ALLOC_RANGE for an area that the layout has not, or an offset of 16 TiB or more
 */
export function encodeAddress(layout: AddressLayout, number: number, offset: bigint): bigint {
  if (layout.areas[number] === undefined) {
    const count = layout.areas.length;
    throw new AllocatorError("WL_ALLOC_RANGE", `There is no area ${number}: ${count} are there`);
  }
  if (offset < 0n || offset >= PHYSICAL_LIMIT) {
    throw new AllocatorError("WL_ALLOC_RANGE", `"${hex(offset)}" is not in an area of 16 TiB`);
  }
  return layout.base + (BigInt(number) << AREA_SHIFT) + offset;
}

/**
 * The same byte of memory, seen through another area.
 *
 * @throws {AllocatorError} WL_ALLOC_ADDRESS unless both areas map all of physical memory
 */
export function translateAddress(layout: AddressLayout, address: bigint, number: number): bigint {
  const decoded = decodeAddress(layout, address);
  const target = layout.areas[number];
  if (decoded.kind !== "area" || decoded.area.mapping !== "identity") {
    const why = "only the page table knows what is behind";
    throw new AllocatorError("WL_ALLOC_ADDRESS", `Cannot translate "${hex(address)}": ${why}`);
  }
  if (target?.mapping !== "identity") {
    const why = `area ${number} does not map physical memory`;
    throw new AllocatorError("WL_ALLOC_ADDRESS", `Cannot translate "${hex(address)}": ${why}`);
  }
  return encodeAddress(layout, number, decoded.offset);
}

/** "0xffff800000001000" */
export function hex(address: bigint): string {
  return address < 0n ? `-0x${(-address).toString(16)}` : `0x${address.toString(16)}`;
}
