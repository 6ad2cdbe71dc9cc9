/**
 * malloc and free over the regions of one scheme, with its rules of which request goes where. What free does
 * shows the difference: it has the address alone.
 */
import { decodeAddress, encodeAddress, hex } from "./address.ts";
import {
  type AddressLayout,
  type AreaName,
  layouts,
  PAGE_BYTES,
  type SchemeName,
} from "./address-layout.ts";
import { AllocatorError } from "./allocator-error.ts";
import { EarlyObjects, fitsEarly, isEarlyPage } from "./early-objects.ts";
import { HALF_PAGE_BYTES, HalfPages } from "./half-pages.ts";
import { LargeObjects, pageHeader, sharedHeader } from "./large-objects.ts";
import { PageRanges } from "./page-ranges.ts";
import { PhysicalMemory } from "./physical-memory.ts";
import { type PageSource, SmallObjects, sizeClassOf } from "./small-objects.ts";

export type Region = "mempool" | "half-page" | "page" | "large" | "early";

export interface HeapOptions {
  readonly scheme: SchemeName;
  readonly pageCount: number;
  /** Default 1. */
  readonly cpus?: number | undefined;
  /** Whether the CPUs are still down: small requests are early objects until `startCpus`. */
  readonly isBooting?: boolean | undefined;
}

export interface Request {
  /** Default 0. */
  readonly cpu?: number | undefined;
  /** A power of two. Default: as malloc(3), 16 or the object's size rounded up to a power of two. */
  readonly alignment?: number | undefined;
}

const SMALLEST_OBJECT = 8;
/** Where an early object begins in its page, in the scheme that has a page for each. */
const LONE_EARLY_OFFSET = 8;
const DEFAULT_ALIGNMENT = 16;
/** A quarter of a page, since a page has room for one object of half a page beside the header. */
const LARGEST_SMALL_OBJECT = 1024;

/** Which region a request goes to; its size is at least 8. Pure. */
type Dispatch = (size: number, alignment: number) => Region;

const dispatches: Readonly<Record<SchemeName, Dispatch>> = {
  // Alignment was none of its business: an aligned request asks for more.
  "offset-2013": (size) => (size <= 2048 ? "mempool" : "large"),
  osv: (size, alignment) => {
    if (isSmall(size, alignment)) return "mempool";
    return size <= PAGE_BYTES && alignment <= PAGE_BYTES ? "page" : "large";
  },
  proposal: (size, alignment) => {
    if (isSmall(size, alignment)) return "mempool";
    if (size <= HALF_PAGE_BYTES && alignment <= HALF_PAGE_BYTES) return "half-page";
    return size <= PAGE_BYTES && alignment <= PAGE_BYTES ? "page" : "large";
  },
};

/** std_malloc of OSv: objects of a power of two are aligned to it. */
function isSmall(size: number, alignment: number): boolean {
  return Math.max(size, alignment) <= LARGEST_SMALL_OBJECT;
}

/** Where a region's objects are seen. */
const areas: Readonly<Record<SchemeName, Readonly<Record<Region, AreaName>>>> = {
  "offset-2013": {
    ...{ mempool: "main", "half-page": "main", page: "main", large: "main", early: "main" },
  },
  osv: {
    ...{ mempool: "mempool", "half-page": "page", page: "page", large: "main", early: "mempool" },
  },
  proposal: {
    ...{ mempool: "mempool", "half-page": "half-page", page: "page", large: "large" },
    early: "early",
  },
};

export class Heap {
  readonly layout: AddressLayout;
  readonly memory: PhysicalMemory;
  readonly ranges: PageRanges;
  readonly #scheme: SchemeName;
  readonly #small: SmallObjects;
  readonly #halves: HalfPages;
  readonly #large: LargeObjects;
  readonly #early: EarlyObjects;
  #isBooting: boolean;
  readonly #areaNumbers: Readonly<Record<Region, number>>;

  constructor({ scheme, pageCount, cpus = 1, isBooting = false }: HeapOptions) {
    this.#isBooting = isBooting;
    this.#scheme = scheme;
    this.layout = layouts[scheme];
    this.memory = new PhysicalMemory(pageCount);
    this.ranges = new PageRanges(this.memory);
    this.ranges.free(0, pageCount);
    const pages: PageSource = {
      allocatePage: () => this.ranges.allocate(1),
      freePage: (page) => this.ranges.free(page, 1),
    };
    this.#small = new SmallObjects(this.memory, pages, cpus);
    this.#halves = new HalfPages(this.memory, pages, cpus);
    const rules = scheme === "offset-2013" ? pageHeader : sharedHeader;
    this.#large = new LargeObjects(this.memory, this.ranges, rules);
    this.#early = new EarlyObjects(this.memory, pages);
    const numberOf = (region: Region): number =>
      this.layout.areas.findIndex(({ name }) => name === areas[scheme][region]);
    this.#areaNumbers = {
      mempool: numberOf("mempool"),
      "half-page": numberOf("half-page"),
      page: numberOf("page"),
      large: numberOf("large"),
      early: numberOf("early"),
    };
  }

  /** From now on small requests are served by the CPUs' own pages. */
  startCpus(): void {
    this.#isBooting = false;
  }

  /** Bytes of the pages that are not free. */
  get footprintBytes(): number {
    return (this.memory.pageCount - this.ranges.freePages) * PAGE_BYTES;
  }

  /**
   * @returns the object's address; undefined when there is no memory for it
   * @throws {AllocatorError} WL_ALLOC_RANGE for a size below 0 or an alignment that is no power of two
   */
  malloc(
    size: number,
    { cpu = 0, alignment = defaultAlignment(size) }: Request = {},
  ): bigint | undefined {
    if (!Number.isInteger(size) || size < 0 || !isPowerOfTwo(alignment)) {
      const text = `No object of ${size} bytes is aligned to ${alignment}`;
      throw new AllocatorError("WL_ALLOC_RANGE", text);
    }
    const minimum = this.#minimumSize(size, alignment);
    const region = this.#regionFor(minimum, alignment);
    const physical = this.#allocate(region, { size: minimum, alignment, cpu });
    if (physical === undefined) return undefined;
    return encodeAddress(this.layout, this.#areaNumbers[region], BigInt(physical));
  }

  /** @throws {AllocatorError} WL_ALLOC_ADDRESS for what is in no area of objects */
  free(address: bigint, { cpu = 0 }: Pick<Request, "cpu"> = {}): void {
    const { region, physical } = this.#locate(address);
    const owner = this.#release(region, cpu, physical);
    if (owner !== undefined) this.collect(owner);
  }

  /** What malloc_usable_size(3) says. @throws as `free` */
  usableBytes(address: bigint): number {
    const { region, physical } = this.#locate(address);
    switch (region) {
      case "mempool":
        return this.#small.usableBytes(physical);
      case "half-page":
        return HALF_PAGE_BYTES;
      case "page":
        return PAGE_BYTES;
      case "large":
        return this.#large.usableBytes(physical);
      case "early":
        return this.#scheme === "offset-2013"
          ? PAGE_BYTES - LONE_EARLY_OFFSET
          : this.#early.usableBytes(physical);
    }
  }

  /** The region that free would give the object back to. @throws as `free` */
  regionOf(address: bigint): Region {
    return this.#locate(address).region;
  }

  /** A CPU takes back what others freed of its own. @returns how many objects */
  collect(cpu: number): number {
    return this.#small.collect(cpu) + this.#halves.collect(cpu);
  }

  #regionFor(size: number, alignment: number): Region {
    const region = dispatches[this.#scheme](size, alignment);
    if (!this.#isBooting || region === "large") return region;
    if (this.#scheme === "offset-2013") return "early";
    return fitsEarly(size, alignment) ? "early" : region;
  }

  /** Before areas, an aligned request was one for a larger object that happens to be aligned. */
  #minimumSize(size: number, alignment: number): number {
    const minimum = Math.max(size, SMALLEST_OBJECT);
    if (this.#scheme !== "offset-2013" || alignment <= minimum) return minimum;
    return alignment <= 2048 ? alignment : Math.max(minimum, PAGE_BYTES);
  }

  #allocate(
    region: Region,
    { size, alignment, cpu }: { size: number; alignment: number; cpu: number },
  ): number | undefined {
    switch (region) {
      case "mempool":
        return this.#small.allocate(cpu, sizeClassOf(Math.max(size, alignment)));
      case "half-page":
        return this.#halves.allocate(cpu);
      case "page": {
        const page = this.ranges.allocate(1);
        return page === undefined ? undefined : page * PAGE_BYTES;
      }
      case "large":
        return this.#large.allocate(size, alignment);
      case "early":
        return this.#scheme === "offset-2013"
          ? this.#loneEarly()
          : this.#early.allocate(size, alignment);
    }
  }

  #loneEarly(): number | undefined {
    const page = this.ranges.allocate(1);
    return page === undefined ? undefined : page * PAGE_BYTES + LONE_EARLY_OFFSET;
  }

  /** @returns the CPU that is to collect; undefined when none needs to */
  #release(region: Region, cpu: number, physical: number): number | undefined {
    switch (region) {
      case "mempool":
        return this.#small.free(cpu, physical);
      case "half-page":
        return this.#halves.free(cpu, physical);
      case "page":
        this.ranges.free(physical / PAGE_BYTES, 1);
        return undefined;
      case "large":
        this.#large.free(physical);
        return undefined;
      case "early":
        if (this.#scheme === "offset-2013") this.ranges.free(Math.floor(physical / PAGE_BYTES), 1);
        else this.#early.free(physical);
        return undefined;
    }
  }

  #locate(address: bigint): { readonly region: Region; readonly physical: number } {
    const decoded = decodeAddress(this.layout, address);
    if (decoded.kind !== "area" || decoded.area.mapping !== "identity") {
      throw new AllocatorError("WL_ALLOC_ADDRESS", `No object is at "${hex(address)}"`);
    }
    const physical = Number(decoded.offset);
    if (physical >= this.memory.bytes.length) {
      const text = `"${hex(address)}" is behind the end of physical memory`;
      throw new AllocatorError("WL_ALLOC_ADDRESS", text);
    }
    if (this.#scheme === "offset-2013") {
      return { region: regionByOffset(physical % PAGE_BYTES), physical };
    }
    const region = this.#regionIn(decoded.number, physical);
    if (region) return { region, physical };
    throw new AllocatorError("WL_ALLOC_ADDRESS", `No object is at "${hex(address)}"`);
  }

  /** OSv's pages of early objects are among those of small ones; their header has no owner. */
  #regionIn(area: number, physical: number): Region | undefined {
    const region = regions.find((one) => this.#areaNumbers[one] === area);
    if (region !== "mempool" || this.#scheme !== "osv") return region;
    return isEarlyPage(this.memory, Math.floor(physical / PAGE_BYTES)) ? "early" : region;
  }
}

/** By area: in OSv's scheme a half page is none, so a page comes first. */
const regions: readonly Region[] = ["mempool", "page", "half-page", "large", "early"];

/** All that free had before areas. */
function regionByOffset(offset: number): Region {
  if (offset === 0) return "large";
  return offset === LONE_EARLY_OFFSET ? "early" : "mempool";
}

function defaultAlignment(size: number): number {
  const power = 2 ** Math.ceil(Math.log2(Math.max(size, 1)));
  return Math.min(DEFAULT_ALIGNMENT, power);
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(value) && value > 0 && 2 ** Math.round(Math.log2(value)) === value;
}
