/** What telling an object's owner costs, and how many objects a region serves. */
import { layouts, PAGE_BYTES } from "../../allocator-model/address-layout.ts";
import { AddressReader } from "../../allocator-model/address-reader.ts";
import { HalfPages } from "../../allocator-model/half-pages.ts";
import { LargeObjects, pageHeader, sharedHeader } from "../../allocator-model/large-objects.ts";
import { PageRanges } from "../../allocator-model/page-ranges.ts";
import { PhysicalMemory } from "../../allocator-model/physical-memory.ts";
import { SmallObjects, sizeClassOf } from "../../allocator-model/small-objects.ts";
import { type BenchReport, report, Samples } from "./bench.ts";

const RUNS = 10;
const ADDRESSES = 1_000_000;
const PAIRS = 1_000_000;
/** Objects that are alive at a time: pairs are allocated and freed in batches. */
const BATCH = 100;
const PAGES = 4096;

export async function benchAllocator(runs = RUNS): Promise<BenchReport> {
  const samples = new Samples();
  // The first round of each only has V8 compile it.
  for (let round = -1; round < runs; round += 1) {
    const add: Samples["add"] = round < 0 ? () => undefined : samples.add.bind(samples);
    for (const scheme of ["offset-2013", "osv", "proposal"] as const) {
      add(`classify/${scheme}`, "ns", classifyNs(new AddressReader(layouts[scheme])));
    }
    for (const [region, scheme, take, give] of regions()) {
      add(`pairs/${region}/${scheme}`, "1/s", pairsPerSecond(take, give));
    }
  }
  return await report("allocator", samples, "none");
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
  let sum = 0;
  const startedMs = performance.now();
  for (let index = 0; index < ADDRESSES; index += 1) {
    const high = highs[index] ?? 0;
    sum = (sum + reader.areaOf(high) + reader.pageOf(high, lows[index] ?? 0)) | 0;
  }
  const elapsedMs = performance.now() - startedMs;
  if (Number.isNaN(sum)) throw new Error("unreachable: the sum is used, so that it is computed");
  return (elapsedMs * 1e6) / ADDRESSES;
}

type Take = () => number | undefined;
type Give = (address: number) => void;

function regions(): (readonly [string, string, Take, Give])[] {
  const memory = new PhysicalMemory(PAGES);
  const ranges = new PageRanges(memory);
  ranges.free(0, PAGES);
  const pages = {
    allocatePage: () => ranges.allocate(1),
    freePage: (page: number) => ranges.free(page, 1),
  };
  const small = new SmallObjects(memory, pages, 1);
  const halves = new HalfPages(memory, pages, 1);
  const sizeClass = sizeClassOf(64);
  const large = (rules: typeof sharedHeader) => {
    const objects = new LargeObjects(memory, ranges, rules);
    return [() => objects.allocate(5000, 16), (at: number) => objects.free(at)] as const;
  };
  const page: readonly [Take, Give] = [
    () => (ranges.allocate(1) ?? 0) * PAGE_BYTES,
    (at) => ranges.free(at / PAGE_BYTES, 1),
  ];
  const mempool: readonly [Take, Give] = [
    () => small.allocate(0, sizeClass),
    (at) => void small.free(0, at),
  ];
  return [
    ["mempool", "proposal", ...mempool],
    ["half-page", "proposal", () => halves.allocate(0), (at) => void halves.free(0, at)],
    ["page", "proposal", ...page],
    ["large", "offset-2013", ...large(pageHeader)],
    ["large", "proposal", ...large(sharedHeader)],
  ];
}

function pairsPerSecond(take: Take, give: Give): number {
  const alive = new Float64Array(BATCH);
  const startedMs = performance.now();
  for (let done = 0; done < PAIRS; done += BATCH) {
    for (let index = 0; index < BATCH; index += 1) alive[index] = take() ?? Number.NaN;
    for (let index = 0; index < BATCH; index += 1) give(alive[index] ?? Number.NaN);
  }
  return (PAIRS * 1000) / (performance.now() - startedMs);
}
