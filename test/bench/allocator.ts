/**
 * What telling an object's owner costs, how many objects a region serves, and what each takes: lock, cache lines, memory.
 */
import { layouts, type SchemeName } from "../../allocator-model/address-layout.ts";
import { AddressReader } from "../../allocator-model/address-reader.ts";
import { defaultAlignment, type Region } from "../../allocator-model/dispatch.ts";
import { Heap } from "../../allocator-model/heap.ts";
import { HeapCore } from "../../allocator-model/heap-core.ts";
import {
  meanWasteBytes,
  type ObjectRules,
  objectFootprintBytes,
} from "../../allocator-model/object-footprint.ts";
import { benchFootprint } from "./allocator-footprint.ts";
import { threadPairsPerSecond } from "./allocator-threads.ts";
import { type BenchReport, report, Samples } from "./bench.ts";

const RUNS = 10;
/** So many that the CPU does not learn them, so few that they are in its cache. */
const ADDRESSES = 65_536;
const PASSES = 16;
const PAIRS = 1_000_000;
/** Objects that are alive at a time: pairs are allocated and freed in batches. */
const BATCH = 100;
const PAGES = 16_384;
const CACHE_LINE_BYTES = 64;
/** Of those whose accesses are looked at: more than a page pool holds, so that it is filled and emptied. */
const OBSERVED_BATCH = 2000;
/** Operations whose accesses are looked at, after as many that are not. */
const OBSERVED = 2 * OBSERVED_BATCH;
/** The debug region maps and unmaps pages for each. */
const DEBUG_PAIRS = 10_000;
const THREADS = [1, 2];

const SCHEMES = ["offset-2013", "osv", "proposal"] as const;
const SMALL_BYTES = 64;

/** A size that goes to a region, by scheme; absent where the scheme has no such region. */
const sizes: Readonly<Record<SchemeName, Partial<Record<Region, number>>>> = {
  "offset-2013": { mempool: SMALL_BYTES, large: 5000 },
  osv: { mempool: SMALL_BYTES, page: 3000, large: 5000 },
  proposal: { mempool: SMALL_BYTES, "half-page": 2048, page: 3000, large: 5000 },
};

const objectRules: Readonly<Record<string, ObjectRules>> = {
  "offset-2013": { scheme: "offset-2013" },
  osv: { scheme: "osv" },
  proposal: { scheme: "proposal" },
  "proposal-out-of-band": { scheme: "proposal", largeHeader: "out-of-band" },
};
const OBJECT_SIZES = [64, 1024, 1025, 2048, 2049, 4096, 4097, 8128, 8192];
const OBJECT_RANGES = [
  [1025, 2048],
  [2049, 4096],
  [4097, 2 ** 20],
] as const;

export async function benchAllocator(runs = RUNS): Promise<BenchReport> {
  const samples = new Samples();
  // The first round of each only has V8 compile it.
  for (let round = -1; round < runs; round += 1) {
    const add: Samples["add"] = round < 0 ? () => undefined : samples.add.bind(samples);
    for (const scheme of SCHEMES) {
      add(`classify/${scheme}`, "ns", classifyNs(new AddressReader(layouts[scheme])));
      for (const [region, size] of requests(scheme)) {
        const heap = new HeapCore({ scheme, pageCount: PAGES });
        add(`pairs/${region}/${scheme}`, "1/s", pairsPerSecond(heap, size));
      }
      const booting = new HeapCore({ scheme, pageCount: PAGES, isBooting: true });
      add(`pairs/early/${scheme}`, "1/s", pairsPerSecond(booting, SMALL_BYTES));
      if (scheme !== "offset-2013")
        add(`pairs/debug/${scheme}`, "1/s", debugPairsPerSecond(scheme));
    }
  }
  for (let round = 0; round < runs; round += 1) {
    for (const scheme of SCHEMES) {
      for (const threads of THREADS) {
        const perSecond = await threadPairsPerSecond(scheme, SMALL_BYTES, threads);
        samples.add(`threads/${threads}/${scheme}`, "1/s", perSecond);
      }
    }
  }
  for (const scheme of SCHEMES) {
    for (const [region, size] of requests(scheme)) {
      const cost = costOf(scheme, size);
      samples.add(`locks-per-1000/${region}/${scheme}`, "1", cost.locksPerThousand);
      samples.add(`cache-lines/${region}/${scheme}`, "1", cost.cacheLines);
    }
  }
  addObjectFootprints(samples);
  await benchFootprint(samples, runs);
  return await report("allocator", samples, "none");
}

function requests(scheme: SchemeName): [string, number][] {
  return Object.entries(sizes[scheme]);
}

/** Area and page of an address, as free needs them. Nanoseconds each. */
function classifyNs(reader: AddressReader): number {
  const highs = new Uint32Array(ADDRESSES);
  const lows = new Uint32Array(ADDRESSES);
  const count = reader.layout.areas.length;
  for (let index = 0; index < ADDRESSES; index += 1) {
    highs[index] = reader.highOf(index % count, (index * 7919) % 2 ** 40);
    lows[index] = (index * 2_654_435_761) % 2 ** 32;
  }
  let mixed = 0;
  const startedMs = performance.now();
  for (let pass = 0; pass < PASSES; pass += 1) mixed += classifyAll(reader, highs, lows);
  const elapsedMs = performance.now() - startedMs;
  if (Number.isNaN(mixed)) throw new Error("unreachable: it is used, so that it is computed");
  return (elapsedMs * 1e6) / (ADDRESSES * PASSES);
}

/** A function of its own: V8 compiles it while it is called again and again, without what is around the loop. */
function classifyAll(reader: AddressReader, highs: Uint32Array, lows: Uint32Array): number {
  let mixed = 0;
  for (let index = 0; index < highs.length; index += 1) {
    const high = highs[index] ?? 0;
    mixed ^= reader.areaOf(high) ^ reader.pageOf(high, lows[index] ?? 0);
  }
  return mixed;
}

/** malloc and free by address, with dispatch and classification. */
function pairsPerSecond(heap: HeapCore, size: number): number {
  const highs = new Uint32Array(BATCH);
  const lows = new Uint32Array(BATCH);
  const alignment = defaultAlignment(size);
  const startedMs = performance.now();
  for (let done = 0; done < PAIRS; done += BATCH) {
    for (let index = 0; index < BATCH; index += 1) {
      if (!heap.malloc(size, alignment, 0)) throw new Error("out of memory");
      highs[index] = heap.high;
      lows[index] = heap.low;
    }
    for (let index = 0; index < BATCH; index += 1) {
      heap.free(highs[index] ?? 0, lows[index] ?? 0, 0);
    }
  }
  return (PAIRS * 1000) / (performance.now() - startedMs);
}

/** Bytes that an object takes by its size, and wastes on average over a range of sizes. */
function addObjectFootprints(samples: Samples): void {
  for (const size of OBJECT_SIZES) {
    for (const [name, rules] of Object.entries(objectRules))
      samples.add(`object/${size}/${name}`, "bytes", objectFootprintBytes(rules, size));
  }
  for (const [from, to] of OBJECT_RANGES) {
    for (const [name, rules] of Object.entries(objectRules))
      samples.add(`mean-waste/${from}-${to}/${name}`, "bytes", meanWasteBytes(rules, from, to));
  }
}

/** At the heap's edge, with bigints: the debug region has no other. */
function debugPairsPerSecond(scheme: SchemeName): number {
  const heap = new Heap({ scheme, pageCount: PAGES, debug: true });
  const startedMs = performance.now();
  for (let done = 0; done < DEBUG_PAIRS; done += 1) heap.free(heap.malloc(SMALL_BYTES));
  return (DEBUG_PAIRS * 1000) / (performance.now() - startedMs);
}

interface Cost {
  /** Acquisitions of the page ranges' lock, by 1000 operations. */
  readonly locksPerThousand: number;
  /** Different cache lines that an operation touches, in memory and in tables beside it: mean. */
  readonly cacheLines: number;
}

/** Of malloc and free together, in batches, with the pools as they are after some use. */
function costOf(scheme: SchemeName, size: number): Cost {
  const lines = new Set<number>();
  const observer = (table: number, byte: number): void => {
    // Tables are numbered from 0; none is as large as 2^40 lines.
    lines.add(table * 2 ** 40 + Math.floor(byte / CACHE_LINE_BYTES));
  };
  const heap = new HeapCore({ scheme, pageCount: PAGES, observer });
  const alignment = defaultAlignment(size);
  const alive: (readonly [number, number])[] = [];
  let touched = 0;
  let operations = 0;
  let locks = 0;
  const operate = (action: () => void): void => {
    lines.clear();
    action();
    if (operations >= OBSERVED) touched += lines.size;
    operations += 1;
    if (operations === OBSERVED) locks = heap.ranges.lock.acquisitions;
  };
  const take = (): void => {
    if (heap.malloc(size, alignment, 0)) alive.push([heap.high, heap.low]);
  };
  const give = (): void => {
    const [high, low] = alive.pop() ?? [0, 0];
    heap.free(high, low, 0);
  };
  while (operations < 2 * OBSERVED) {
    for (let index = 0; index < OBSERVED_BATCH; index += 1) operate(take);
    for (let index = 0; index < OBSERVED_BATCH; index += 1) operate(give);
  }
  return {
    locksPerThousand: ((heap.ranges.lock.acquisitions - locks) * 1000) / OBSERVED,
    cacheLines: touched / OBSERVED,
  };
}
