/**
 * What an address says about the memory behind it: three schemes, three tables.
 *
 * Physical memory is mapped several times, once an area; bits of the virtual address name the area, and the
 * area names the allocator that owns the block (OSv issue #87). Sources: the text for `proposal`,
 * include/osv/mmu-defs.hh of OSv for `osv`, the same file before commit 76fbcdb8 for `offset-2013`.
 */

export type SchemeName = "offset-2013" | "osv" | "proposal";

export type AreaName =
  | "main"
  | "mempool"
  | "page"
  | "half-page"
  | "large"
  | "early"
  | "debug"
  | "reserved";

export interface Area {
  readonly name: AreaName;
  /**
   * - identity: all of physical memory is there, in order.
   * - table: pages are mapped one by one; only the page table knows what is behind.
   * - none: nothing is mapped.
   */
  readonly mapping: "identity" | "table" | "none";
  /** What is allocated there. */
  readonly use: string;
}

/** Addresses that are no area's, though not free. */
export interface MappedRange {
  readonly begin: bigint;
  /** The last address. */
  readonly last: bigint;
  /** What is mapped there, page by page. */
  readonly use: string;
}

export interface AddressLayout {
  readonly scheme: SchemeName;
  /** The kernel's image and applications: the low half of all addresses, less what areas take of it. */
  readonly lowHalf: MappedRange;
  /** Lowest address of the first area. */
  readonly base: bigint;
  /** By number. There are 2 to the power of n, and n bits of the address from AREA_SHIFT on are the number. */
  readonly areas: readonly Area[];
}

/** An area is 16 TiB: the physical address is in the bits below. */
export const AREA_SHIFT = 44n;
export const PAGE_BYTES = 4096;

const LOW_HALF_USE = "the kernel's image, applications' programs and mappings";
/** All of it: addresses whose bits 63 to 47 are 0. */
const LOW_HALF: MappedRange = { begin: 0n, last: 0x7fff_ffff_ffffn, use: LOW_HALF_USE };

const RESERVED: Area = { name: "reserved", mapping: "none", use: "nothing yet" };

export const layouts: Readonly<Record<SchemeName, AddressLayout>> = {
  "offset-2013": {
    scheme: "offset-2013",
    lowHalf: LOW_HALF,
    base: 0xffff_c000_0000_0000n,
    areas: [{ name: "main", mapping: "identity", use: "everything; the offset in the page tells" }],
  },
  osv: {
    scheme: "osv",
    // Areas have been in the low half since issue #1196: half of it is theirs.
    lowHalf: { begin: 0n, last: 0x3fff_ffff_ffffn, use: LOW_HALF_USE },
    base: 0x4000_0000_0000n,
    areas: [
      { name: "main", mapping: "identity", use: "large objects, page tables" },
      { name: "page", mapping: "identity", use: "objects of 1025 to 4096 bytes, a page each" },
      { name: "mempool", mapping: "identity", use: "objects of up to 1024 bytes, and early ones" },
      { name: "debug", mapping: "table", use: "the debug allocator" },
    ],
  },
  proposal: {
    scheme: "proposal",
    lowHalf: LOW_HALF,
    base: 0xffff_8000_0000_0000n,
    areas: [
      { name: "mempool", mapping: "identity", use: "objects of up to 1024 bytes" },
      { name: "page", mapping: "identity", use: "objects of 2049 to 4096 bytes, a page each" },
      { name: "half-page", mapping: "identity", use: "objects of half a page, two a page" },
      { name: "large", mapping: "identity", use: "objects of more than a page" },
      RESERVED,
      RESERVED,
      { name: "early", mapping: "identity", use: "objects from before the CPUs are up" },
      { name: "debug", mapping: "table", use: "the debug allocator" },
    ],
  },
};
