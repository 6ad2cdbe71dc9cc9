/** Makes a trace of what was done with addresses, as recorders and other formats have it. */
import { type Trace, TraceBuilder } from "./trace.ts";

/** What could not become part of a trace as it stood. */
export interface TraceLosses {
  /** Lines that say nothing about memory, or that cannot be read. */
  readonly skippedLines: number;
  /** Requests that got no memory. */
  readonly failedRequests: number;
  /** Frees and reallocs of addresses that nobody was seen to get; such a realloc is taken as a malloc. */
  readonly unknownAddresses: number;
  /** Objects whose address was given out again before anybody was seen to free it: freed at that moment. */
  readonly unseenFrees: number;
  /** Objects of 4 GiB and more: left out. */
  readonly oversizedObjects: number;
}

/** Of a trace that was made, or that was written as one. */
export const noLosses: TraceLosses = {
  skippedLines: 0,
  failedRequests: 0,
  unknownAddresses: 0,
  unseenFrees: 0,
  oversizedObjects: 0,
};

/** A trace, and what is not in it. */
export interface ReadTrace {
  readonly trace: Trace;
  readonly losses: TraceLosses;
}

export interface AddressRequest {
  readonly size: number;
  readonly cpu: number;
  /** Default: malloc's own. */
  readonly alignment?: number | undefined;
  readonly isZeroed?: boolean | undefined;
}

/** Numbers of CPUs are bytes. */
const CPUS_MAX = 256;
const SIZE_MAX = 2 ** 32 - 1;

/** @typeParam Address a number, where they are exact, or a text: any two that are the same address are equal */
export class AddressTrace<Address extends string | number> {
  readonly #builder = new TraceBuilder();
  readonly #ids = new Map<Address, number>();
  /** Ids of freed objects, for the next ones: small numbers deflate well. */
  readonly #freeIds: number[] = [];
  #idCount = 0;
  #skippedLines = 0;
  #failedRequests = 0;
  #unknownAddresses = 0;
  #unseenFrees = 0;
  #oversizedObjects = 0;

  get length(): number {
    return this.#builder.length;
  }

  isAlive(address: Address): boolean {
    return this.#ids.has(address);
  }

  /** A line that is not understood. */
  skipLine(): void {
    this.#skippedLines += 1;
  }

  /** A request that returned no address. */
  fail(): void {
    this.#failedRequests += 1;
  }

  allocate(address: Address, request: AddressRequest): void {
    const { size } = request;
    const cpu = request.cpu % CPUS_MAX;
    this.#evict(address, cpu);
    if (!this.#accepts(size)) return;
    const id = this.#freeIds.pop() ?? this.#idCount++;
    this.#ids.set(address, id);
    if (request.isZeroed) this.#builder.calloc(id, size, cpu);
    else this.#builder.malloc(id, size, cpu, alignmentLog2(request.alignment));
  }

  free(address: Address, cpu: number): void {
    const id = this.#take(address);
    if (id !== undefined) this.#free(id, cpu % CPUS_MAX);
  }

  /**
   * The first half of a realloc: from now on others may get the address.
   *
   * @returns what `endRealloc` wants
   */
  beginRealloc(address: Address): number | undefined {
    return this.#take(address);
  }

  /** The other half, with the new address. */
  endRealloc(id: number | undefined, address: Address, request: AddressRequest): void {
    if (id === undefined) {
      this.allocate(address, request);
      return;
    }
    const cpu = request.cpu % CPUS_MAX;
    this.#evict(address, cpu);
    if (request.size > 0 && this.#accepts(request.size)) {
      this.#ids.set(address, id);
      this.#builder.realloc(id, request.size, cpu);
    } else {
      this.#free(id, cpu);
      // Its allocator made an object of no bytes, where others only free.
      if (request.size === 0) this.allocate(address, request);
    }
  }

  /** A realloc that got no memory: the object is where it was. */
  undoRealloc(id: number | undefined, address: Address): void {
    this.#failedRequests += 1;
    if (id !== undefined && !this.#ids.has(address)) this.#ids.set(address, id);
  }

  /** A realloc to no bytes, which frees. */
  endReallocAsFree(id: number | undefined, cpu: number): void {
    if (id !== undefined) this.#free(id, cpu % CPUS_MAX);
  }

  build(name: string): ReadTrace {
    return {
      trace: this.#builder.build(name),
      losses: {
        skippedLines: this.#skippedLines,
        failedRequests: this.#failedRequests,
        unknownAddresses: this.#unknownAddresses,
        unseenFrees: this.#unseenFrees,
        oversizedObjects: this.#oversizedObjects,
      },
    };
  }

  #accepts(size: number): boolean {
    if (size <= SIZE_MAX) return true;
    this.#oversizedObjects += 1;
    return false;
  }

  #take(address: Address): number | undefined {
    const id = this.#ids.get(address);
    if (id === undefined) this.#unknownAddresses += 1;
    else this.#ids.delete(address);
    return id;
  }

  /** Nobody else can have the address now. */
  #evict(address: Address, cpu: number): void {
    const id = this.#ids.get(address);
    if (id === undefined) return;
    this.#unseenFrees += 1;
    this.#ids.delete(address);
    this.#free(id, cpu);
  }

  #free(id: number, cpu: number): void {
    this.#builder.free(id, cpu);
    this.#freeIds.push(id);
  }
}

/** 0, malloc's own alignment, for one that is no power of two. */
function alignmentLog2(alignment = 1): number {
  const log2 = Math.log2(alignment);
  return Number.isInteger(log2) && log2 >= 0 && log2 < 32 ? log2 : 0;
}
