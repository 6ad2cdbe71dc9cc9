/** Asks a heap what a trace asks, and says what memory it took. */
import { PAGE_BYTES, type SchemeName } from "./address-layout.ts";
import { Heap, type HeapOptions } from "./heap.ts";
import { type MemoryFigures, memoryFigures, type TracedObject } from "./memory-figures.ts";
import { CALLOC, FREE, MALLOC, REALLOC, type Trace } from "./trace.ts";
import { traceFacts } from "./trace-facts.ts";

export interface ReplayOptions {
  readonly scheme: SchemeName;
  /** Default: the smallest power of two, up to 4 GiB, with which nothing fails. */
  readonly pageCount?: number | undefined;
  /** Default: the trace's. Its CPUs beyond are taken as these, one after the other. */
  readonly cpus?: number | undefined;
  /** The heap's own choices. */
  readonly heap?: Pick<HeapOptions, "halfPages" | "largeHeader" | "pools"> | undefined;
}

export interface ReplaySample {
  /** Operations so far. */
  readonly operation: number;
  readonly footprintBytes: number;
  readonly requestedBytes: number;
}

export interface Replay {
  readonly scheme: SchemeName;
  readonly pageCount: number;
  readonly cpus: number;
  readonly operations: number;
  /** Requests that got no memory. */
  readonly failed: number;
  /** Of this computer, for all operations. */
  readonly seconds: number;
  readonly lockAcquisitions: number;
  /** When the footprint was largest, for the first time. */
  readonly peak: MemoryFigures;
  readonly end: MemoryFigures;
  /** At most 1000, at equal distances. */
  readonly samples: readonly ReplaySample[];
}

const SAMPLES_MAX = 1000;
/** Of a machine whose size nobody gave. */
const PAGES_MIN = 64;
export const PAGES_MAX = 2 ** 20;
/** Of a heap. */
export const CPUS_MAX = 255;

/**
 * Replays a trace, twice: for the time and the footprint, and up to the peak for the rest.
 *
 * @throws {AllocatorError} WL_ALLOC_RANGE for a number of pages or CPUs that cannot be
 */
export function replay(trace: Trace, options: ReplayOptions): Replay {
  const { scheme, heap: choices } = options;
  const cpus = options.cpus ?? Math.min(trace.cpus, CPUS_MAX);
  const make = (pageCount: number): TraceRun =>
    new TraceRun(trace, new Heap({ ...choices, scheme, pageCount, cpus }), cpus);
  const isFixed = options.pageCount !== undefined;
  let pageCount = options.pageCount ?? firstPageCount(trace);
  for (;;) {
    const isLast = isFixed || pageCount >= PAGES_MAX;
    const run = make(pageCount);
    const course = follow(run, isLast);
    if (run.failed === 0 || isLast) {
      const end = run.figures();
      const beforePeak = make(pageCount);
      beforePeak.advance(course.peakOperation);
      return {
        ...{ scheme, pageCount, cpus, operations: trace.length, failed: run.failed },
        seconds: course.seconds,
        lockAcquisitions: run.heap.lockAcquisitions,
        peak: beforePeak.figures(),
        end,
        samples: course.samples,
      };
    }
    pageCount *= 2;
  }
}

/** A replay, as far as one wants. */
export class TraceRun {
  readonly heap: Heap;
  readonly #trace: Trace;
  readonly #cpus: number;
  /** By id; 0 where there is no object. */
  readonly #addresses: BigUint64Array;
  readonly #sizes: Uint32Array;
  #operation = 0;
  #failed = 0;
  #requestedBytes = 0;
  /** By id, where they are counted. */
  readonly #usableSizes: Uint32Array | undefined;
  #usableBytes = 0;

  /** @param cpus of the heap @param countsUsable whether to keep `usableBytes`, which takes time */
  constructor(trace: Trace, heap: Heap, cpus: number, countsUsable = false) {
    this.heap = heap;
    this.#trace = trace;
    this.#cpus = cpus;
    const ids = trace.ids.reduce((most, id) => Math.max(most, id + 1), 0);
    this.#addresses = new BigUint64Array(ids);
    this.#sizes = new Uint32Array(ids);
    this.#usableSizes = countsUsable ? new Uint32Array(ids) : undefined;
  }

  /** Operations of the trace. */
  get length(): number {
    return this.#trace.length;
  }

  /** How many are done. */
  get operation(): number {
    return this.#operation;
  }

  /** Requests that got no memory. */
  get failed(): number {
    return this.#failed;
  }

  /** Of the objects that are there. */
  get requestedBytes(): number {
    return this.#requestedBytes;
  }

  /** Of the objects that are there, as malloc_usable_size(3) has it; 0 where it is not counted. */
  get usableBytes(): number {
    return this.#usableBytes;
  }

  /** Of the object with an id; undefined when there is none now. */
  addressOf(id: number): bigint | undefined {
    return this.#addresses[id] || undefined;
  }

  /** Up to this many operations from the trace's begin. */
  advance(operation: number): void {
    const end = Math.min(operation, this.#trace.length);
    while (this.#operation < end) this.step();
  }

  /** The next operation. An object that could not be made is no more heard of. */
  step(): void {
    const index = this.#operation;
    this.#operation += 1;
    const { operations, cpuOf, alignmentLog2, ids, sizes } = this.#trace;
    const id = ids[index] ?? 0;
    const size = sizes[index] ?? 0;
    const cpu = (cpuOf[index] ?? 0) % this.#cpus;
    const address = this.#addresses[id] ?? 0n;
    switch (operations[index]) {
      case MALLOC: {
        const log2 = alignmentLog2[index] ?? 0;
        const alignment = log2 === 0 ? undefined : 2 ** log2;
        this.#place(id, size, this.heap.malloc(size, { cpu, alignment }));
        break;
      }
      case CALLOC:
        this.#place(id, size, this.heap.calloc(1, size, { cpu }));
        break;
      case REALLOC:
        if (address !== 0n) this.#move(id, size, this.heap.realloc(address, size, { cpu }));
        break;
      case FREE:
        if (address === 0n) break;
        this.heap.free(address, { cpu });
        this.#remove(id);
        break;
    }
  }

  /** The memory as it is now. */
  figures(): MemoryFigures {
    return memoryFigures(this.heap, this.#objects(), this.#operation);
  }

  *#objects(): Generator<TracedObject> {
    for (const [id, address] of this.#addresses.entries()) {
      if (address !== 0n) yield { address, sizeBytes: this.#sizes[id] ?? 0 };
    }
  }

  #place(id: number, size: number, address: bigint | undefined): void {
    if (address === undefined) {
      this.#failed += 1;
      return;
    }
    this.#addresses[id] = address;
    this.#sizes[id] = size;
    this.#requestedBytes += size;
    if (this.#usableSizes) this.#countUsable(id, this.heap.usableBytes(address));
  }

  #move(id: number, size: number, address: bigint | undefined): void {
    if (address === undefined) {
      this.#failed += 1;
      return;
    }
    this.#requestedBytes -= this.#sizes[id] ?? 0;
    this.#place(id, size, address);
  }

  #remove(id: number): void {
    this.#requestedBytes -= this.#sizes[id] ?? 0;
    this.#addresses[id] = 0n;
    this.#countUsable(id, 0);
  }

  #countUsable(id: number, bytes: number): void {
    const sizes = this.#usableSizes;
    if (!sizes) return;
    this.#usableBytes += bytes - (sizes[id] ?? 0);
    sizes[id] = bytes;
  }
}

interface Course {
  readonly peakOperation: number;
  readonly seconds: number;
  readonly samples: readonly ReplaySample[];
}

/** Runs to the end, or to the first failure. */
function follow(run: TraceRun, goesOn: boolean): Course {
  const { heap, length } = run;
  const distance = Math.max(1, Math.ceil(length / SAMPLES_MAX));
  const samples: ReplaySample[] = [];
  let peakOperation = 0;
  let peakBytes = 0;
  const startedMs = performance.now();
  while (run.operation < length && (goesOn || run.failed === 0)) {
    run.step();
    const { footprintBytes } = heap;
    if (footprintBytes > peakBytes) {
      peakBytes = footprintBytes;
      peakOperation = run.operation;
    }
    if (run.operation % distance === 0) {
      const { operation, requestedBytes } = run;
      samples.push({ operation, footprintBytes, requestedBytes });
    }
  }
  return { peakOperation, seconds: (performance.now() - startedMs) / 1000, samples };
}

/** A power of two: enough for the bytes that are asked for alone. */
export function firstPageCount(trace: Trace): number {
  const pages = Math.max(traceFacts(trace).requestedBytes / PAGE_BYTES, PAGES_MIN);
  return Math.min(2 ** Math.ceil(Math.log2(pages)), PAGES_MAX);
}
