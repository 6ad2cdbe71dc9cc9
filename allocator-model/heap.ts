/**
 * malloc(3) and its family over the regions of one scheme. What free does shows the difference between the
 * schemes: it has the address alone.
 */
import { decodeAddress, encodeAddress, hex } from "./address.ts";
import { type AddressLayout, layouts, PAGE_BYTES } from "./address-layout.ts";
import { AllocatorError } from "./allocator-error.ts";
import { DebugObjects } from "./debug-objects.ts";
import { areaNames, defaultAlignment, type Region } from "./dispatch.ts";
import { HeapCore, type HeapCoreOptions, type HeapShare } from "./heap-core.ts";
import type { PageOwners } from "./page-owners.ts";
import type { PageRanges } from "./page-ranges.ts";
import type { PhysicalMemory } from "./physical-memory.ts";
import { StrictChecks } from "./strict-checks.ts";

export interface HeapOptions extends HeapCoreOptions {
  /**
   * Whether every pointer is looked at, and a bad one is an error that says what is there (strict-checks.ts). What
   * was asked for is then all that may be used.
   */
  readonly strict?: boolean | undefined;
  /** Whether every object is one of the debug region: not in a scheme without it, and for one thread. */
  readonly debug?: boolean | undefined;
}

export interface Request {
  /** Default 0. */
  readonly cpu?: number | undefined;
  /** A power of two. Default: as malloc(3), 16 or the object's size rounded up to a power of two. */
  readonly alignment?: number | undefined;
}

type OnCpu = Pick<Request, "cpu">;

const CPUS_MAX = 255;
const LOW = (1n << 32n) - 1n;

export class Heap {
  readonly layout: AddressLayout;
  readonly core: HeapCore;
  readonly #strict: StrictChecks | undefined;
  readonly #debug: DebugObjects | undefined;
  readonly #debugArea: number;

  /**
   * @throws {AllocatorError} WL_ALLOC_RANGE for a number of pages or CPUs that cannot be, and debug objects in a
   *   scheme that has no area for them
   */
  constructor(options: HeapOptions, share?: HeapShare) {
    const { cpus = 1 } = options;
    if (!Number.isInteger(cpus) || cpus < 1 || cpus > CPUS_MAX) {
      throw new AllocatorError(
        "WL_ALLOC_RANGE",
        `A machine has 1 to ${CPUS_MAX} CPUs, not ${cpus}`,
      );
    }
    this.layout = layouts[options.scheme];
    this.core = new HeapCore(options, share?.memory);
    const area = areaNames[options.scheme].debug;
    this.#debugArea = this.layout.areas.findIndex(({ name }) => name === area);
    this.#debug = options.debug ? this.#debugObjects() : undefined;
    this.#strict = options.strict ? new StrictChecks(this.core) : undefined;
  }

  /** What a thread that is to be one of its CPUs makes of `share()`. */
  static attach(share: HeapShare): Heap {
    return new Heap(share.options, share);
  }

  /**
   * To be sent to a thread; see `attach`. Each CPU may be used by one thread only.
   *
   * @throws {AllocatorError} WL_ALLOC_RANGE with debug objects
   */
  share(): HeapShare {
    if (this.#debug) {
      throw new AllocatorError("WL_ALLOC_RANGE", "Debug objects are known to one thread only");
    }
    // Its options are all that were given, with those that are only this class's.
    return this.core.share();
  }

  get memory(): PhysicalMemory {
    return this.core.memory;
  }

  get ranges(): PageRanges {
    return this.core.ranges;
  }

  get owners(): PageOwners {
    return this.core.owners;
  }

  /** Bytes of the pages that are neither free nor in a page pool. */
  get footprintBytes(): number {
    return this.core.usedPages * PAGE_BYTES;
  }

  /** How often the lock of the page ranges was taken. */
  get lockAcquisitions(): number {
    return this.core.ranges.lock.acquisitions;
  }

  /** From now on small requests are served by the CPUs' own pages. */
  startCpus(): void {
    this.core.startCpus();
  }

  /**
   * @returns the object's address; undefined when there is no memory for it, or its size is below 0: in C that
   *   is one of more than half of all addresses
   * @throws {AllocatorError} WL_ALLOC_RANGE for a size or an alignment that is no number of bytes, an alignment
   *   that is no power of two, or a CPU that is not there
   */
  malloc(
    size: number,
    { cpu = 0, alignment = defaultAlignment(size) }: Request = {},
  ): bigint | undefined {
    this.#checkCpu(cpu);
    if (!Number.isInteger(size) || !isPowerOfTwo(alignment)) {
      const text = `No object of ${size} bytes is aligned to ${alignment}`;
      throw new AllocatorError("WL_ALLOC_RANGE", text);
    }
    if (size < 0) return undefined;
    if (this.#debug) {
      const offset = this.#debug.allocate(cpu, size, alignment);
      return offset === undefined ? undefined : this.addressOf(this.#debugArea, offset);
    }
    // So large that sizes would not be exact: as memory of that size, it is not there.
    if (size > this.memory.bytes.length || alignment > this.memory.bytes.length) return undefined;
    const { core } = this;
    if (!core.malloc(size, alignment, cpu)) return undefined;
    const address = (BigInt(core.high) << 32n) | BigInt(core.low);
    this.#strict?.onAllocate(address, size);
    return address;
  }

  /** As aligned_alloc(3). @returns and @throws as `malloc` */
  alignedAlloc(alignment: number, size: number, { cpu }: OnCpu = {}): bigint | undefined {
    return this.malloc(size, { cpu, alignment });
  }

  /** As calloc(3): undefined also when the product is more than a number can be. @throws as `malloc` */
  calloc(count: number, size: number, { cpu = 0 }: OnCpu = {}): bigint | undefined {
    const bytes = count * size;
    if (count < 0 || size < 0 || bytes > Number.MAX_SAFE_INTEGER) return undefined;
    if (!Number.isInteger(count) || !Number.isInteger(size)) {
      throw new AllocatorError("WL_ALLOC_RANGE", `There are no ${count} objects of ${size} bytes`);
    }
    const address = this.malloc(bytes, { cpu });
    if (address === undefined) return undefined;
    if (this.#debug) this.write(address, new Uint8Array(bytes));
    else this.view(address, bytes).fill(0);
    return address;
  }

  /**
   * As realloc(3), and like OSv never in place: undefined when there is no memory (the object stays), or when
   * the size is 0 (it is freed).
   *
   * @throws as `malloc` and `free`
   */
  realloc(address: bigint | undefined, size: number, { cpu = 0 }: OnCpu = {}): bigint | undefined {
    if (address === undefined || address === 0n) return this.malloc(size, { cpu });
    if (size === 0) {
      this.free(address, { cpu });
      return undefined;
    }
    const old = this.usableBytes(address);
    const moved = this.malloc(size, { cpu });
    if (moved === undefined) return undefined;
    const kept = Math.min(old, size);
    if (this.#debug) this.write(moved, this.read(address, kept));
    else this.view(moved, kept).set(this.view(address, kept));
    this.free(address, { cpu });
    return moved;
  }

  /** As posix_memalign(3). @returns the address, or the error's name. @throws as `malloc` for the size */
  posixMemalign(
    alignment: number,
    size: number,
    { cpu = 0 }: OnCpu = {},
  ): bigint | "EINVAL" | "ENOMEM" {
    if (!isPowerOfTwo(alignment)) return "EINVAL";
    return this.malloc(size, { cpu, alignment }) ?? "ENOMEM";
  }

  /**
   * As free(3): of undefined or 0 it is nothing. Without strict mode, an address that nobody gave out has the heap
   * follow what it takes for a header: whatever comes of it, a RangeError among the rest.
   *
   * @throws {AllocatorError} WL_ALLOC_ADDRESS for what is in no area of objects. A debug object, and any in
   *   strict mode: WL_ALLOC_POINTER, WL_ALLOC_DOUBLE_FREE, WL_ALLOC_WRONG_REGION, WL_ALLOC_OVERRUN; the object
   *   is then as it was
   */
  free(address: bigint | undefined, { cpu = 0 }: OnCpu = {}): void {
    this.#checkCpu(cpu);
    if (address === undefined || address === 0n) return;
    const debug = this.#debugPlace(address);
    if (debug) {
      debug.objects.free(cpu, debug.offset);
      return;
    }
    this.#strict?.check(address, "free");
    this.regionOf(address);
    this.#strict?.onFree(address);
    this.core.free(Number(address >> 32n), Number(address & LOW), cpu);
  }

  /** What malloc_usable_size(3) says. @throws as `free`; WL_ALLOC_USE_AFTER_FREE in place of WL_ALLOC_DOUBLE_FREE */
  usableBytes(address: bigint): number {
    const debug = this.#debugPlace(address);
    if (debug) return debug.objects.usableBytes(debug.offset);
    if (this.#strict) {
      this.#strict.check(address, "use");
      return this.#strict.sizeOf(address);
    }
    this.regionOf(address);
    return this.core.usableBytes(Number(address >> 32n), Number(address & LOW));
  }

  /** The region that free would give the object back to. @throws {AllocatorError} WL_ALLOC_ADDRESS */
  regionOf(address: bigint): Region {
    if (this.#debugPlace(address)) return "debug";
    this.#physicalOf(address);
    const region = this.core.regionOf(Number(address >> 32n), Number(address & LOW));
    if (region) return region;
    throw new AllocatorError("WL_ALLOC_ADDRESS", `No object is at "${hex(address)}"`);
  }

  /** A copy of bytes. @throws as `usableBytes`: with strict, or of a debug object, when any of them is no object's */
  read(address: bigint, length: number): Uint8Array {
    const debug = this.#debugPlace(address);
    if (debug) return debug.objects.read(debug.offset, length);
    this.#strict?.checkAccess(address, length);
    return this.view(address, length).slice();
  }

  /** As `read`; then nothing is written. */
  write(address: bigint, bytes: Uint8Array): void {
    const debug = this.#debugPlace(address);
    if (debug) debug.objects.write(debug.offset, bytes);
    else {
      this.#strict?.checkAccess(address, bytes.length);
      this.view(address, bytes.length).set(bytes);
    }
  }

  /**
   * Memory as it is seen at an address of an area that maps all of it: the bytes themselves, no copy and no check.
   *
   * @throws {AllocatorError} WL_ALLOC_ADDRESS
   */
  view(address: bigint, length: number): Uint8Array {
    const physical = this.#physicalOf(address);
    return this.memory.bytes.subarray(physical, physical + length);
  }

  /** The address of a physical one, in an area. @throws {AllocatorError} WL_ALLOC_RANGE */
  addressOf(area: number, physical: number): bigint {
    return encodeAddress(this.layout, area, BigInt(physical));
  }

  /** A CPU takes back what others freed of its own. @returns how many objects */
  collect(cpu: number): number {
    this.#checkCpu(cpu);
    return this.core.collect(cpu);
  }

  /** A CPU's background work, if `background` is by steps. @returns whether there was any */
  step(cpu: number): boolean {
    this.#checkCpu(cpu);
    return this.core.step(cpu);
  }

  /**
   * The `after`th allocation of pages from now fails, and so on to `count` of them: to see what becomes of it. Of
   * this thread; others have memory as before.
   */
  failPageAllocations(after: number, count = 1): void {
    this.core.ranges.failAllocations(after, count);
  }

  /** @returns what is wrong with any structure: a sentence each */
  checkInvariants(): string[] {
    return [
      ...this.core.violations(),
      ...(this.#strict?.violations() ?? []),
      ...(this.#debug?.violations() ?? []),
    ];
  }

  #debugObjects(): DebugObjects {
    const { memory } = this.core;
    if (this.layout.areas[this.#debugArea]?.mapping === "table") {
      return new DebugObjects(
        memory,
        this.core.pages.sourceFor("debug"),
        this.addressOf(this.#debugArea, 0),
      );
    }
    const text = `Scheme "${this.layout.scheme}" has no area for debug objects`;
    throw new AllocatorError("WL_ALLOC_RANGE", text);
  }

  /** Of an address in the debug area; undefined when it is elsewhere, or no object is ever there. */
  #debugPlace(
    address: bigint,
  ): { readonly objects: DebugObjects; readonly offset: number } | undefined {
    if (!this.#debug) return undefined;
    const decoded = decodeAddress(this.layout, address);
    if (decoded.kind !== "area" || decoded.number !== this.#debugArea) return undefined;
    return { objects: this.#debug, offset: Number(decoded.offset) };
  }

  #physicalOf(address: bigint): number {
    const decoded = decodeAddress(this.layout, address);
    if (decoded.kind !== "area" || decoded.area.mapping !== "identity") {
      throw new AllocatorError("WL_ALLOC_ADDRESS", `No object is at "${hex(address)}"`);
    }
    const physical = Number(decoded.offset);
    if (physical < this.memory.bytes.length) return physical;
    const text = `"${hex(address)}" is behind the end of physical memory`;
    throw new AllocatorError("WL_ALLOC_ADDRESS", text);
  }

  #checkCpu(cpu: number): void {
    if (Number.isInteger(cpu) && cpu >= 0 && cpu < this.core.cpus) return;
    throw new AllocatorError(
      "WL_ALLOC_RANGE",
      `There is no CPU ${cpu}: ${this.core.cpus} are there`,
    );
  }
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(value) && value > 0 && 2 ** Math.round(Math.log2(value)) === value;
}
