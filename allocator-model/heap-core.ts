/**
 * A heap's regions together, over one memory. Addresses are halves of 32 bits (address-reader.ts): heap.ts has
 * bigints, and looks at what callers give.
 *
 * One object of this class is one machine, or what one thread of a machine sees of it (`share`).
 */
import { layouts, PAGE_BYTES, type SchemeName } from "./address-layout.ts";
import { AddressReader, NO_AREA } from "./address-reader.ts";
import { areaNames, type DispatchRules, minimumSize, type Region, regionFor } from "./dispatch.ts";
import { EarlyObjects, isEarlyPage } from "./early-objects.ts";
import { HALF_PAGE_BYTES, HalfPages } from "./half-pages.ts";
import { heapViolations } from "./heap-violations.ts";
import { LargeObjects, pageHeader, sharedHeader, tableHeader } from "./large-objects.ts";
import { PageOwners } from "./page-owners.ts";
import { type PagePoolSizes, PagePools, smallPools, usualPools } from "./page-pools.ts";
import { PageRanges } from "./page-ranges.ts";
import { PageSupply } from "./page-supply.ts";
import { type AccessObserver, type MemoryShare, PhysicalMemory } from "./physical-memory.ts";
import { SmallObjects, sizeClassOf } from "./small-objects.ts";

export interface HeapCoreOptions {
  readonly scheme: SchemeName;
  readonly pageCount: number;
  /** 1 to 255. Default 1. */
  readonly cpus?: number | undefined;
  /** Whether the CPUs are still down: small requests are early objects until `startCpus`. */
  readonly isBooting?: boolean | undefined;
  /** Of the proposal. Default "fit". */
  readonly halfPages?: DispatchRules["halfPages"] | undefined;
  /** Where the proposal keeps the sizes of large objects. Default "in-band". */
  readonly largeHeader?: "in-band" | "out-of-band" | undefined;
  /** Default: OSv's, by the size of memory. */
  readonly pools?: PagePoolSizes | "none" | undefined;
  /** When a CPU does what others have left to it, and fills its pools. Default "at-once". */
  readonly background?: "at-once" | "by-steps" | undefined;
  /** Told of every use of memory and tables: makes all of it some hundred times slower. */
  readonly observer?: AccessObserver | undefined;
}

/** For a thread that is to be a CPU of the same machine. */
export interface HeapShare {
  readonly options: HeapCoreOptions;
  readonly memory: MemoryShare;
}

/** Where an early object begins in its page, in the scheme that has a page for each: it is aligned to no more. */
const LONE_EARLY_OFFSET = 8;
/** Below it pools are small: 64 MiB. */
const USUAL_POOLS_MIN_PAGES = 16_384;
/** By area: in OSv's scheme a half page is none, so a page comes first. */
const REGIONS: readonly Region[] = ["mempool", "page", "half-page", "large", "early"];

export class HeapCore {
  readonly reader: AddressReader;
  readonly memory: PhysicalMemory;
  readonly ranges: PageRanges;
  readonly owners: PageOwners;
  readonly cpus: number;
  readonly small: SmallObjects;
  readonly halves: HalfPages;
  readonly large: LargeObjects;
  readonly early: EarlyObjects;
  readonly pools: PagePools | undefined;
  readonly pages: PageSupply;
  readonly rules: DispatchRules;
  /** The address that `malloc` found. */
  high = 0;
  low = 0;
  readonly #options: HeapCoreOptions;
  readonly #isAtOnce: boolean;
  readonly #areaNumbers: Readonly<Record<Region, number>>;
  /** By area number. */
  readonly #regions: readonly (Region | undefined)[];
  /** By CPU: 1 when others have left it enough to collect. */
  readonly #signals: Int32Array;
  #isShared: boolean;

  constructor(options: HeapCoreOptions, share?: MemoryShare) {
    const { scheme, pageCount, cpus = 1, pools = poolsFor(pageCount) } = options;
    this.#options = options;
    this.cpus = cpus;
    this.#isShared = share !== undefined;
    this.#isAtOnce = (options.background ?? "at-once") === "at-once";
    this.rules = { scheme, halfPages: options.halfPages ?? "fit" };
    this.reader = new AddressReader(layouts[scheme]);
    this.memory = new PhysicalMemory(share ?? pageCount, options.observer);
    this.ranges = new PageRanges(this.memory);
    if (!share) this.ranges.free(0, pageCount);
    this.owners = new PageOwners(this.memory);
    const { ranges, owners } = this;
    this.pools =
      pools === "none"
        ? undefined
        : new PagePools(this.memory, { ranges, owners }, { cpus, sizes: pools });
    const isAtOnce = this.#isAtOnce;
    const reclaim = (cpu: number): void => this.reclaim(cpu);
    const parts = { ranges, owners, pools: this.pools, isAtOnce, reclaim };
    this.pages = new PageSupply(parts, options.isBooting ?? false);
    this.#signals = this.memory.atomicsTable(cpus);
    this.small = new SmallObjects(this.memory, this.pages.sourceFor("mempool"), cpus);
    this.halves = new HalfPages(this.memory, this.pages.sourceFor("half-page"), cpus);
    this.large = new LargeObjects(this.memory, this.ranges, largeRules(options));
    this.early = new EarlyObjects(this.memory, this.pages.earlySource());
    const areas = this.reader.layout.areas.map(({ name }) => name);
    const numberOf = (region: Region): number => areas.indexOf(areaNames[scheme][region]);
    this.#areaNumbers = {
      mempool: numberOf("mempool"),
      "half-page": numberOf("half-page"),
      page: numberOf("page"),
      large: numberOf("large"),
      early: numberOf("early"),
      debug: numberOf("debug"),
    };
    this.#regions = areas.map((_, area) => REGIONS.find((one) => numberOf(one) === area));
  }

  /** From now on small requests are served by the CPUs' own pages. */
  startCpus(): void {
    this.pages.isBooting = false;
  }

  /** For `new HeapCore(options, memory)` in other threads. From now on no CPU touches what is another's. */
  share(): HeapShare {
    this.#isShared = true;
    const { observer: _, ...options } = this.#options;
    return {
      options: { ...options, isBooting: this.pages.isBooting },
      memory: this.memory.share(),
    };
  }

  /** Pages that are neither free nor in a pool. */
  get usedPages(): number {
    const cached = this.pools?.cachedPages ?? 0;
    return this.memory.pageCount - this.ranges.freePages - cached;
  }

  /**
   * @param alignment a power of two
   * @returns whether there was memory; then the address is in `high` and `low`
   */
  malloc(size: number, alignment: number, cpu: number): boolean {
    const { scheme } = this.rules;
    const minimum = minimumSize(scheme, size, alignment);
    const region = regionFor(this.rules, minimum, alignment, this.pages.isBooting);
    // Of just what is asked for. An early object of no bytes could not be freed: in OSv it keeps its page for ever.
    const bytes = region === "early" ? Math.max(size, 1) : minimum;
    const physical = this.#allocate(region, bytes, alignment, cpu);
    if (physical === undefined) return false;
    this.high = this.reader.highOf(this.#areaNumbers[region], physical);
    this.low = physical >>> 0;
    return true;
  }

  /** Gives an object back that `malloc` found; the address alone says to whom. */
  free(high: number, low: number, cpu: number): void {
    const region = this.regionOf(high, low);
    const physical = this.reader.physicalOf(high, low);
    const owner = this.#release(region, physical, cpu);
    if (owner === undefined) return;
    if (this.#isAtOnce) this.collect(owner);
    else Atomics.store(this.#signals, owner, 1);
  }

  /** What malloc_usable_size(3) says. */
  usableBytes(high: number, low: number): number {
    const physical = this.reader.physicalOf(high, low);
    const region = this.regionOf(high, low);
    switch (region) {
      case "mempool":
        return this.small.usableBytes(physical);
      case "half-page":
        return HALF_PAGE_BYTES;
      case "page":
        return PAGE_BYTES;
      case "large":
        return this.large.usableBytes(physical);
      case "early":
        return this.rules.scheme === "offset-2013"
          ? PAGE_BYTES - LONE_EARLY_OFFSET
          : this.early.usableBytes(physical);
      case undefined:
      case "debug":
        return 0;
    }
  }

  /** Which region `free` would give it back to; undefined when none. The address need not be an object's. */
  regionOf(high: number, low: number): Region | undefined {
    const area = this.reader.areaOf(high);
    if (area === NO_AREA) return undefined;
    const { scheme } = this.rules;
    if (scheme === "offset-2013") return regionByOffset(low % PAGE_BYTES);
    const region = this.#regions[area];
    if (scheme !== "osv" || region !== "mempool") return region;
    // OSv's pages of early objects are among those of small ones; their header has no owner.
    return isEarlyPage(this.memory, this.reader.pageOf(high, low)) ? "early" : region;
  }

  /** A CPU takes back what others freed of its own. @returns how many objects */
  collect(cpu: number): number {
    return this.small.collect(cpu) + this.halves.collect(cpu);
  }

  /** What a CPU's background threads do: collect when it was told to, fill and empty page pools. @returns whether there was anything */
  step(cpu: number): boolean {
    const isSignalled = Atomics.exchange(this.#signals, cpu, 0) === 1;
    if (isSignalled) this.collect(cpu);
    const isBalanced = this.pools?.balance(cpu) ?? false;
    return isSignalled || isBalanced;
  }

  /** Gives back what is only kept for later. Of other CPUs too, unless they are threads. */
  reclaim(cpu: number): void {
    const cpus = this.#isShared ? [cpu] : Array.from({ length: this.cpus }, (_, index) => index);
    for (const one of cpus) this.collect(one);
    this.pools?.drain(cpus);
  }

  /** @returns what is wrong with any structure: a sentence each. All CPUs must be still */
  violations(): string[] {
    return heapViolations(this);
  }

  #allocate(region: Region, size: number, alignment: number, cpu: number): number | undefined {
    switch (region) {
      case "mempool":
        return this.small.allocate(cpu, sizeClassOf(Math.max(size, alignment)));
      case "half-page":
        return this.halves.allocate(cpu);
      case "page": {
        const page = this.pages.take("page", cpu);
        return page === undefined ? undefined : page * PAGE_BYTES;
      }
      case "large":
        return this.#allocateLarge(size, alignment, cpu);
      case "early":
        return this.rules.scheme === "offset-2013"
          ? this.#loneEarly(cpu)
          : this.early.allocate(size, alignment);
      case "debug":
        return undefined;
    }
  }

  #allocateLarge(size: number, alignment: number, cpu: number): number | undefined {
    let physical = this.large.allocate(size, alignment);
    if (physical === undefined) {
      this.reclaim(cpu);
      physical = this.large.allocate(size, alignment);
    }
    if (physical === undefined) return undefined;
    const { first, pages } = this.large.rangeOf(physical);
    this.owners.set("large", first, pages);
    return physical;
  }

  #loneEarly(cpu: number): number | undefined {
    const page = this.pages.take("early", cpu);
    return page === undefined ? undefined : page * PAGE_BYTES + LONE_EARLY_OFFSET;
  }

  /** @returns the CPU that is to collect; undefined when none needs to */
  #release(region: Region | undefined, physical: number, cpu: number): number | undefined {
    switch (region) {
      case "mempool":
        return this.small.free(cpu, physical);
      case "half-page":
        return this.halves.free(cpu, physical);
      case "page":
        this.pages.give(Math.floor(physical / PAGE_BYTES), cpu);
        return undefined;
      case "large": {
        const { first, pages } = this.large.rangeOf(physical);
        this.owners.set("free", first, pages);
        this.large.free(physical);
        return undefined;
      }
      case "early":
        if (this.rules.scheme === "offset-2013")
          this.pages.give(Math.floor(physical / PAGE_BYTES), cpu);
        else this.early.free(physical);
        return undefined;
      case "debug":
      case undefined:
        return undefined;
    }
  }
}

function poolsFor(pageCount: number): PagePoolSizes {
  return pageCount < USUAL_POOLS_MIN_PAGES ? smallPools : usualPools;
}

function largeRules({ scheme, largeHeader }: HeapCoreOptions): typeof sharedHeader {
  if (scheme === "offset-2013") return pageHeader;
  return scheme === "proposal" && largeHeader === "out-of-band" ? tableHeader : sharedHeader;
}

/** All that free had before areas. */
function regionByOffset(offset: number): Region {
  if (offset === 0) return "large";
  return offset === LONE_EARLY_OFFSET ? "early" : "mempool";
}
