/**
 * malloc(3) and its family over the regions of one scheme. What free does shows the difference between the
 * schemes: it has the address alone.
 */
import { decodeAddress, encodeAddress, hex } from "./address.ts";
import { type AddressLayout, layouts, PAGE_BYTES } from "./address-layout.ts";
import { AllocatorError } from "./allocator-error.ts";
import { defaultAlignment, type Region } from "./dispatch.ts";
import { HeapCore, type HeapCoreOptions, type HeapShare } from "./heap-core.ts";
import type { PageOwners } from "./page-owners.ts";
import type { PageRanges } from "./page-ranges.ts";
import type { PhysicalMemory } from "./physical-memory.ts";

export type HeapOptions = HeapCoreOptions;

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

  /** @throws {AllocatorError} WL_ALLOC_RANGE for a number of pages or CPUs that cannot be */
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
  }

  /** What a thread that is to be one of its CPUs makes of `share()`. */
  static attach(share: HeapShare): Heap {
    return new Heap(share.options, share);
  }

  /** To be sent to a thread; see `attach`. Each CPU may be used by one thread only. */
  share(): HeapShare {
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
   * @returns the object's address; undefined when there is no memory for it
   * @throws {AllocatorError} WL_ALLOC_RANGE for a size below 0, an alignment that is no power of two, or a CPU
   *   that is not there
   */
  malloc(
    size: number,
    { cpu = 0, alignment = defaultAlignment(size) }: Request = {},
  ): bigint | undefined {
    this.#checkCpu(cpu);
    if (!Number.isInteger(size) || size < 0 || !isPowerOfTwo(alignment)) {
      const text = `No object of ${size} bytes is aligned to ${alignment}`;
      throw new AllocatorError("WL_ALLOC_RANGE", text);
    }
    // So large that sizes would not be exact: as memory of that size, it is not there.
    if (size > this.memory.bytes.length || alignment > this.memory.bytes.length) return undefined;
    const { core } = this;
    return core.malloc(size, alignment, cpu)
      ? (BigInt(core.high) << 32n) | BigInt(core.low)
      : undefined;
  }

  /** As calloc(3): undefined also when the product is more than a number can be. @throws as `malloc` */
  calloc(count: number, size: number, { cpu = 0 }: OnCpu = {}): bigint | undefined {
    const bytes = count * size;
    if (bytes > Number.MAX_SAFE_INTEGER) return undefined;
    const address = this.malloc(bytes, { cpu });
    if (address !== undefined) this.view(address, bytes).fill(0);
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
    this.view(moved, kept).set(this.view(address, kept));
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
   * As free(3): of undefined or 0 it is nothing.
   *
   * @throws {AllocatorError} WL_ALLOC_ADDRESS for what is in no area of objects
   */
  free(address: bigint | undefined, { cpu = 0 }: OnCpu = {}): void {
    this.#checkCpu(cpu);
    if (address === undefined || address === 0n) return;
    this.regionOf(address);
    this.core.free(Number(address >> 32n), Number(address & LOW), cpu);
  }

  /** What malloc_usable_size(3) says. @throws as `free` */
  usableBytes(address: bigint): number {
    this.regionOf(address);
    return this.core.usableBytes(Number(address >> 32n), Number(address & LOW));
  }

  /** The region that free would give the object back to. @throws as `free` */
  regionOf(address: bigint): Region {
    this.#physicalOf(address);
    const region = this.core.regionOf(Number(address >> 32n), Number(address & LOW));
    if (region) return region;
    throw new AllocatorError("WL_ALLOC_ADDRESS", `No object is at "${hex(address)}"`);
  }

  /** Memory as it is seen at an address of an area that maps all of it: the bytes themselves, no copy. @throws as `free` */
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

  /** The `after`th allocation of pages from now fails, and so on to `count` of them: to see what becomes of it. */
  failPageAllocations(after: number, count = 1): void {
    this.core.ranges.failAllocations(after, count);
  }

  /** @returns what is wrong with any structure: a sentence each */
  checkInvariants(): string[] {
    return this.core.violations();
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
