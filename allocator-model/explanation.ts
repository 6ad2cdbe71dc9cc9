/** What an address means, for people: `windlass alloc explain`. Pure. */
import { decodeAddress, encodeAddress, hex } from "./address.ts";
import { type AddressLayout, type Area, PAGE_BYTES, type SchemeName } from "./address-layout.ts";
import { LARGEST_SMALL_BYTES, LARGEST_SMALL_BYTES_2013 } from "./dispatch.ts";
import { EARLY_HEADER_BYTES } from "./early-objects.ts";
import { HALF_PAGE_BYTES } from "./half-pages.ts";
import { sharedHeader } from "./large-objects.ts";
import { POOL_HEADER_BYTES } from "./small-objects.ts";

export interface Explanation {
  readonly address: string;
  readonly scheme: AddressLayout["scheme"];
  /** The area's name, or why there is none. */
  readonly area: string;
  /** In an area that is mapped one to one, else absent. */
  readonly physical?: string;
  /** What can be there, and what free(3) makes of it: a sentence each. */
  readonly notes: readonly string[];
  /** Other addresses of the same byte, by area. */
  readonly aliases: Readonly<Record<string, string>>;
}

const SMALLEST_OBJECT = 8;
const largestPoolObjects: Readonly<Record<SchemeName, number>> = {
  "offset-2013": LARGEST_SMALL_BYTES_2013,
  osv: LARGEST_SMALL_BYTES,
  proposal: LARGEST_SMALL_BYTES,
};
/** At the alignment of malloc(3). */
const LARGE_OBJECT_OFFSET = sharedHeader.offset(16);
/** Before each object is its size, two bytes. */
const EARLY_OBJECT_OFFSET_MIN = EARLY_HEADER_BYTES + 2;

const NO_LARGE_OBJECT =
  "No large object begins there: its header would be before it, and the area begins here";

/** @throws {AllocatorError} WL_ALLOC_ADDRESS when it has more than 64 bits */
export function explainAddress(layout: AddressLayout, address: bigint): Explanation {
  const { scheme } = layout;
  const decoded = decodeAddress(layout, address);
  const common = { address: hex(address), scheme };
  if (decoded.kind === "non-canonical") {
    const notes = ["Bits 63 to 47 are not all equal: the CPU faults when it is used"];
    return { ...common, area: "none: not canonical", notes, aliases: {} };
  }
  if (decoded.kind === "no-area") {
    const notes = ["Nothing of this scheme is mapped there"];
    return { ...common, area: "none: no area of this scheme", notes, aliases: {} };
  }
  if (decoded.kind === "low-half") {
    const notes = [
      `For ${layout.lowHalf.use}: mapped page by page, or not at all`,
      scheme === "offset-2013"
        ? "No block of the heap: free(3) would look at its offset in the page all the same"
        : "No allocator owns it: free(3) refuses it, unless it is a large object that was mapped",
    ];
    return { ...common, area: "none: the low half", notes, aliases: {} };
  }
  const { area, number, offset } = decoded;
  const where = `${area.name} (${number} of ${layout.areas.length})`;
  if (area.mapping === "none") {
    const notes = ["Nothing is mapped there: the CPU faults when it is used"];
    return { ...common, area: where, notes, aliases: {} };
  }
  if (area.mapping === "table") {
    const notes = [
      "Mapped page by page: only the page table knows the physical address",
      "A block of the debug allocator lies between pages that are not mapped, and is never used again",
    ];
    return { ...common, area: where, notes, aliases: {} };
  }
  const inPage = Number(offset % BigInt(PAGE_BYTES));
  const physical = `${hex(offset)} (page ${hex(offset / BigInt(PAGE_BYTES))}, byte ${inPage} of it)`;
  const notes = describe(layout, area, { address, offset, inPage });
  return { ...common, area: where, physical, notes, aliases: aliasesOf(layout, number, offset) };
}

interface Place {
  readonly address: bigint;
  /** In the area. */
  readonly offset: bigint;
  readonly inPage: number;
}

function describe({ scheme }: AddressLayout, area: Area, place: Place): string[] {
  if (scheme === "offset-2013") return byOffset(place);
  switch (area.name) {
    case "mempool":
      return inPool(scheme, place);
    case "page":
      return place.inPage === 0
        ? ["An object that has its page for itself; nothing else is recorded about it"]
        : interior("An object of this area begins where its page does", place, place.inPage);
    case "half-page":
      return inHalfPage(place);
    case "large":
    case "main":
      return inRange(place);
    case "early":
      return early(place);
    case "debug":
    case "reserved":
      return [];
  }
}

/** The scheme before areas: free(3) looked at the offset alone, and at the page's header. */
function byOffset(place: Place): string[] {
  const { inPage } = place;
  if (place.offset === 0n) {
    return ["Offset 0: free(3) takes it for a large object", NO_LARGE_OBJECT];
  }
  if (inPage === 0) {
    const also = "so is every inner page of a large object, and nothing shows the difference";
    return [
      `Offset 0: free(3) takes it for a large object with its header at ${header(place)}`,
      `What begins a page is large by this rule; ${also}`,
    ];
  }
  if (inPage === SMALLEST_OBJECT) return ["Offset 8: free(3) takes it for an early object"];
  if (inPage < POOL_HEADER_BYTES) {
    return [`No object begins within the header of ${POOL_HEADER_BYTES} bytes of a page`];
  }
  return inPool("offset-2013", place);
}

function inPool(scheme: SchemeName, { address, inPage }: Place): string[] {
  const page = hex(address - BigInt(inPage));
  const early = scheme === "osv" ? ["Its header has no owner if the object is an early one"] : [];
  if (inPage < POOL_HEADER_BYTES) {
    return [`Inside the header of ${POOL_HEADER_BYTES} bytes of the page: no object begins there`];
  }
  // Objects lie from the page's end downwards: those of a size begin at its multiples.
  const largest = Math.min(inPage & -inPage, largestPoolObjects[scheme]);
  if (largest < SMALLEST_OBJECT) {
    return ["Inside of an object: one begins at a multiple of its size, and has at least 8 bytes"];
  }
  const sizes = largest === SMALLEST_OBJECT ? "8 bytes" : `8 to ${largest} bytes (a power of two)`;
  return [
    `Begin of an object of ${sizes}, or inside of a larger one; the page's header at ${page} has the size`,
    ...early,
  ];
}

function inHalfPage(place: Place): string[] {
  const { address, inPage } = place;
  const slot = inPage < HALF_PAGE_BYTES ? 0 : 1;
  const inSlot = inPage % HALF_PAGE_BYTES;
  const other = hex(
    address - BigInt(inSlot) + BigInt(slot === 0 ? HALF_PAGE_BYTES : -HALF_PAGE_BYTES),
  );
  const notes =
    inSlot === 0
      ? [`Slot ${slot} of 2: the ${slot === 0 ? "lower" : "upper"} half of its page`]
      : interior(`Slot ${slot} of 2 of its page`, place, inSlot);
  return [...notes, `The neighbour, slot ${1 - slot}, is at ${other}`];
}

function inRange(place: Place): string[] {
  const { inPage } = place;
  if (place.offset === 0n) return [NO_LARGE_OBJECT];
  if (inPage === LARGE_OBJECT_OFFSET) {
    return [`Begin of a large object at the usual alignment; its header is at ${header(place)}`];
  }
  if (inPage === 0) {
    return [
      `Begin of a large object that is aligned to pages, its header at ${header(place)}, or inside of one`,
    ];
  }
  return ["Inside of a large object, or begin of one with an alignment of its own"];
}

function early({ inPage }: Place): string[] {
  if (inPage < EARLY_OBJECT_OFFSET_MIN) {
    return [`Inside the header of ${EARLY_HEADER_BYTES} bytes of the page, or an object's size`];
  }
  return ["An object from before the CPUs were up; its size is in the two bytes before it"];
}

function interior(what: string, { address }: Place, by: number): string[] {
  return [
    `${what}: this is ${by} bytes further, and no pointer for free(3)`,
    `It begins at ${hex(address - BigInt(by))}`,
  ];
}

/** A large object's header begins the page that the byte before the object is in. */
function header({ address }: Place): string {
  const page = BigInt(PAGE_BYTES);
  return hex(((address - 1n) / page) * page);
}

function aliasesOf(layout: AddressLayout, number: number, offset: bigint): Record<string, string> {
  const aliases: Record<string, string> = {};
  for (const [index, { name, mapping }] of layout.areas.entries()) {
    if (mapping !== "identity" || index === number) continue;
    aliases[name] = hex(encodeAddress(layout, index, offset));
  }
  return aliases;
}

/** As text, for a terminal. @param more rows behind: label and text */
export function explanationText(
  { address, scheme, area, physical, notes, aliases }: Explanation,
  more: readonly (readonly [string, string])[] = [],
): string {
  const names = Object.keys(aliases);
  const rows: (readonly [string, string])[] = [
    ["scheme", scheme],
    ["area", area],
    ...(physical === undefined ? [] : [["physical", physical] as const]),
    ...notes.map((note, index) => [index === 0 ? "meaning" : "", note] as const),
    ...names.map(
      (name, index) => [index === 0 ? "same byte" : "", `${aliases[name]}  ${name}`] as const,
    ),
    ...more,
  ];
  const lines = rows.map(([label, text]) => `  ${label.padEnd(9)}  ${text}`);
  return [address, ...lines].join("\n");
}
