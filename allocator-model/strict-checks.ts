/**
 * What free could know if it looked: the strict mode of a heap. OSv checks next to nothing; a bad pointer does its
 * damage and is found much later. Here each is an error that says what is at the address.
 *
 * What was asked for is what may be used: the rest of an object's place is filled, and looked at when it is
 * freed. So malloc_usable_size(3) says no more than that, as the debug allocator of OSv does.
 */
import { decodeAddress, hex } from "./address.ts";
import { type Area, PAGE_BYTES } from "./address-layout.ts";
import type { AllocatorError } from "./allocator-error.ts";
import { type BadPointer, type BadPointerKind, badPointer } from "./bad-pointer.ts";
import { areaNames, type Region, SMALLEST_OBJECT_BYTES } from "./dispatch.ts";
import { EARLY_HEADER_BYTES } from "./early-objects.ts";
import { HALF_PAGE_BYTES } from "./half-pages.ts";
import type { HeapCore } from "./heap-core.ts";
import { LiveObjects } from "./live-objects.ts";
import type { PageOwner } from "./page-owners.ts";
import { POOL_HEADER_BYTES } from "./small-objects.ts";

/** As the debug allocator has it. */
const FENCE = "$".charCodeAt(0);
const LOW = (1n << 32n) - 1n;
const EARLY_OBJECT_OFFSET_MIN = EARLY_HEADER_BYTES + 2;

/** What a caller does with a pointer. */
export type PointerUse = "free" | "use";

interface Found {
  readonly kind: BadPointerKind;
  readonly what: string;
  readonly next: string;
  /** Physical address of the object that is there or nearest. */
  readonly begin?: number;
}

/** Of all regions but debug, which checks by itself. */
export class StrictChecks {
  readonly #heap: HeapCore;
  readonly #live: LiveObjects;
  /** By page: usable bytes of an object that began there last. A header that says otherwise is overwritten. */
  readonly #usable: Uint32Array;

  constructor(heap: HeapCore) {
    this.#heap = heap;
    this.#live = new LiveObjects(heap.memory);
    this.#usable = heap.memory.wordsTable(heap.memory.pageCount);
  }

  /** @param size what was asked for, in bytes */
  onAllocate(address: bigint, size: number): void {
    const physical = this.#physicalOf(address);
    const usable = this.#usableAt(address);
    this.#live.add(physical, size);
    this.#usable[Math.floor(physical / PAGE_BYTES)] = usable;
    const end = physical + this.#live.sizeOf(physical);
    this.#heap.memory.bytes.fill(FENCE, end, Math.max(physical + usable, end));
  }

  /** To be called before the heap frees what `check` let pass. */
  onFree(address: bigint): void {
    this.#live.remove(this.#physicalOf(address));
  }

  /** What was asked for, of an object that `check` let pass. */
  sizeOf(address: bigint): number {
    return this.#live.sizeOf(this.#physicalOf(address));
  }

  /**
   * @throws {AllocatorError} WL_ALLOC_POINTER, WL_ALLOC_DOUBLE_FREE or WL_ALLOC_USE_AFTER_FREE,
   *   WL_ALLOC_WRONG_REGION, WL_ALLOC_OVERRUN
   */
  check(address: bigint, use: PointerUse): void {
    const area = this.#areaOf(address);
    const physical = this.#physicalOf(address);
    const region = this.#regionOf(address);
    if (!this.#live.has(physical)) throw this.#error(address, this.#whyDead(physical, region, use));
    const found =
      this.#wrongRegion(physical, area, region) ??
      this.#badHeader(physical, address) ??
      this.#overrun(physical);
    if (found) throw this.#error(address, found);
  }

  /**
   * Whether bytes may be read or written: they are one object's, and were asked for. Through any area, since
   * all show the same memory.
   *
   * @throws as `check`
   */
  checkAccess(address: bigint, length: number): void {
    this.#areaOf(address);
    const physical = this.#physicalOf(address);
    const begin = this.#live.before(physical);
    const size = begin === undefined ? 0 : this.#live.sizeOf(begin);
    if (begin === undefined || physical >= begin + this.#usableOf(begin)) {
      const found = this.#gone(physical, this.#regionOf(address), "use");
      throw this.#error(address, found);
    }
    if (physical + length <= begin + size) return;
    const byte = Math.max(physical, begin + size) - begin;
    const what = `byte ${byte} of an object of ${size} bytes`;
    throw this.#error(address, { kind: "overrun", what, next: "Find who counts wrong", begin });
  }

  /** @returns objects whose page is another's, or that were written behind: a sentence each */
  violations(): string[] {
    const found: string[] = [];
    for (const physical of this.#live.addresses()) {
      const owner = this.#ownerOf(physical);
      if (owner === "free" || owner === "cached")
        found.push(`The object at ${physical} is in a page that is ${owner}`);
      else if (this.#overrun(physical)) found.push(`The object at ${physical} was written behind`);
    }
    return found;
  }

  /** @throws {AllocatorError} WL_ALLOC_POINTER unless it is in an area of all memory, and memory is there */
  #areaOf(address: bigint): Area {
    const { memory, reader } = this.#heap;
    const decoded = decodeAddress(reader.layout, address);
    const next = "Look for where the pointer was made up or overwritten";
    const area = decoded.kind === "area" ? decoded.area : undefined;
    if (decoded.kind !== "area" || area?.mapping !== "identity") {
      const what =
        area === undefined ? noArea[decoded.kind] : `area ${area.name} has no object, ${area.use}`;
      throw badPointer({ kind: "area", address }, what, next);
    }
    if (decoded.offset >= BigInt(memory.bytes.length)) {
      const what = `memory ends at physical address ${hex(BigInt(memory.bytes.length))}`;
      throw badPointer({ kind: "range", address }, what, next);
    }
    return area;
  }

  #wrongRegion(physical: number, area: Area, region: Region | undefined): Found | undefined {
    const owner = this.#ownerOf(physical);
    if (owner === region) return undefined;
    const right = this.#addressOf(physical);
    if (right !== undefined && this.#areaOf(right) !== area) {
      const what = `its object is of region ${owner}, and was handed out as ${hex(right)}`;
      const next = "Free the address that the allocator returned, not an alias of it";
      return { kind: "wrong-region", what, next, begin: physical };
    }
    const what = `the header of its page takes it for ${region}`;
    return { kind: "corrupt-header", what, next: WRITER_BEFORE, begin: physical };
  }

  #badHeader(physical: number, address: bigint): Found | undefined {
    const usable = this.#usableAt(address);
    const size = this.#live.sizeOf(physical);
    if (usable === this.#usableOf(physical)) return undefined;
    const what = `its header says ${usable} bytes, which the object of ${size} never had`;
    return { kind: "corrupt-header", what, next: WRITER_BEFORE, begin: physical };
  }

  /** Whether the rest of an object's place is not as it was filled. */
  #overrun(physical: number): Found | undefined {
    const size = this.#live.sizeOf(physical);
    const usable = this.#usableOf(physical);
    const slack = this.#heap.memory.bytes.subarray(physical + size, physical + usable);
    const damaged = usable > size ? slack.findIndex((byte) => byte !== FENCE) : -1;
    if (damaged < 0) return undefined;
    const what = `byte ${size + damaged} of the object of ${size} bytes was written to`;
    return { kind: "overrun", what, next: "Find who writes behind it", begin: physical };
  }

  /** No object begins there: whether it is inside of one, or where none can begin, or none is there any more. */
  #whyDead(physical: number, region: Region | undefined, use: PointerUse): Found {
    const next = "Pass the address that the allocator returned";
    const before = this.#live.before(physical);
    if (before !== undefined && physical < before + this.#usableOf(before)) {
      const what = `it is ${physical - before} bytes inside of the object at ${this.#name(before)}`;
      return { kind: "interior", what, next, begin: before };
    }
    const behind = this.#live.behind(physical);
    if (behind !== undefined && this.#ownerOf(behind) === "large") {
      const distance = behind - physical;
      // A header takes a page at most.
      if (this.#ownerOf(physical) === "large" && distance <= PAGE_BYTES) {
        const what = `it is ${distance} bytes before the object at ${this.#name(behind)}`;
        return { kind: "interior", what, next, begin: behind };
      }
    }
    const misplaced = this.#misplaced(physical, region);
    if (misplaced) return { kind: "interior", what: misplaced, next };
    return this.#gone(physical, region, use);
  }

  /** Why no object of a region can begin there. */
  #misplaced(physical: number, region: Region | undefined): string | undefined {
    const inPage = physical % PAGE_BYTES;
    const owner = this.#ownerOf(physical);
    switch (region) {
      case "page":
        return inPage === 0 ? undefined : "objects of region page begin where a page does";
      case "half-page":
        return inPage % HALF_PAGE_BYTES === 0
          ? undefined
          : "objects of half a page begin at halves";
      case "mempool": {
        if (inPage < POOL_HEADER_BYTES) return "the header of a page of small objects is there";
        const size = owner === region ? this.#usableOf(physical) : SMALLEST_OBJECT_BYTES;
        if (inPage % size === 0) return undefined;
        return `objects of ${size} bytes begin at multiples of their size`;
      }
      case "early":
        if (this.#isLone || inPage >= EARLY_OBJECT_OFFSET_MIN) return undefined;
        return "the header of a page of early objects is there";
      case "large":
      case "debug":
      case undefined:
        return undefined;
    }
  }

  #gone(physical: number, region: Region | undefined, use: PointerUse): Found {
    const owner = this.#ownerOf(physical);
    const kind = use === "free" ? "double-free" : "use-after-free";
    const next = use === "free" ? "Find who freed it first" : "Find who freed it, and who kept it";
    if (owner === "free" || owner === "cached") {
      return { kind, what: "its page is free: the object was freed, or never was", next };
    }
    const what =
      owner === region
        ? "no object begins there: it was freed, or never was"
        : `its page has objects of region ${owner} now: the object was freed, or never was`;
    return { kind, what, next };
  }

  #error(address: bigint, { kind, what, next, begin }: Found): AllocatorError {
    const physical = this.#physicalOf(address);
    const nearest = begin === undefined ? undefined : this.#addressOf(begin);
    const pointer: BadPointer = {
      kind,
      address,
      owner: this.#ownerOf(physical),
      page: Math.floor(physical / PAGE_BYTES),
      ...(nearest !== undefined && { begin: nearest }),
      ...(begin !== undefined && { size: this.#live.sizeOf(begin) }),
    };
    return badPointer(pointer, what, next);
  }

  /** In the scheme before areas each early object has a page for itself. */
  get #isLone(): boolean {
    return this.#heap.rules.scheme === "offset-2013";
  }

  #ownerOf(physical: number): PageOwner | undefined {
    return this.#heap.owners.of(Math.floor(physical / PAGE_BYTES));
  }

  /** Usable bytes as they were when it was allocated. */
  #usableOf(physical: number): number {
    // Early objects of a page have different sizes.
    if (this.#ownerOf(physical) === "early" && !this.#isLone) return this.#live.sizeOf(physical);
    return this.#usable[Math.floor(physical / PAGE_BYTES)] ?? 0;
  }

  #usableAt(address: bigint): number {
    return this.#heap.usableBytes(Number(address >> 32n), Number(address & LOW));
  }

  #regionOf(address: bigint): Region | undefined {
    return this.#heap.regionOf(Number(address >> 32n), Number(address & LOW));
  }

  #physicalOf(address: bigint): number {
    return this.#heap.reader.physicalOf(Number(address >> 32n), Number(address & LOW));
  }

  #name(physical: number): string {
    return hex(this.#addressOf(physical) ?? BigInt(physical));
  }

  /** As its region hands it out. */
  #addressOf(physical: number): bigint | undefined {
    const { reader, rules } = this.#heap;
    const owner = this.#ownerOf(physical);
    if (owner === undefined || owner === "free" || owner === "cached") return undefined;
    const name = areaNames[rules.scheme][owner];
    const area = reader.layout.areas.findIndex((one) => one.name === name);
    const high = reader.highOf(area, physical);
    return (BigInt(high) << 32n) | BigInt(physical % 2 ** 32);
  }
}

const WRITER_BEFORE =
  "Find who writes before it: behind the object that lies before it, most likely";

const noArea = {
  area: "no allocator has this area",
  "low-half": "no allocator has it: the kernel's image and applications are there",
  "no-area": "it is in no area of this scheme",
  "non-canonical": "it is not canonical, so the CPU faults",
} as const;
