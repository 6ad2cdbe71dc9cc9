/** What a heap's memory is used for at one moment. */
import { PAGE_BYTES } from "./address-layout.ts";
import type { Region } from "./dispatch.ts";
import type { Heap } from "./heap.ts";
import { type PageOwner, type PageOwners, pageOwnerNames } from "./page-owners.ts";
import { POOL_HEADER_BYTES } from "./small-objects.ts";

export interface RegionFigures {
  readonly objects: number;
  readonly requestedBytes: number;
  readonly usableBytes: number;
}

export interface MemoryFigures {
  /** Operations so far. */
  readonly operation: number;
  readonly objects: number;
  readonly requestedBytes: number;
  /** As malloc_usable_size(3) has it. */
  readonly usableBytes: number;
  /** Of all pages that are neither free nor in a page pool. */
  readonly footprintBytes: number;
  /** In objects, behind what was asked for. */
  readonly internalWasteBytes: number;
  /** In pages, outside of objects: headers, tails, free slots. */
  readonly otherWasteBytes: number;
  /** Part of them: headers of pages with small objects, and of large objects. */
  readonly headerBytes: number;
  /** In page pools. */
  readonly cachedPages: number;
  /** In page ranges. */
  readonly freePages: number;
  readonly largestFreePages: number;
  /** Part of the free pages that are not in the largest range. */
  readonly externalFragmentation: number;
  /** Those that have objects. */
  readonly regions: Readonly<Partial<Record<Region, RegionFigures>>>;
}

export interface TracedObject {
  readonly address: bigint;
  /** As asked for. */
  readonly sizeBytes: number;
}

/** @param objects all that are there; their addresses are the heap's */
export function memoryFigures(
  heap: Heap,
  objects: Iterable<TracedObject>,
  operation: number,
): MemoryFigures {
  const { footprintBytes, ranges, owners } = heap;
  const regions = regionFigures(heap, objects);
  const total = (value: (region: RegionFigures) => number): number =>
    Object.values(regions).reduce((sum, region) => sum + value(region), 0);
  const requestedBytes = total((region) => region.requestedBytes);
  const usableBytes = total((region) => region.usableBytes);
  const { freePages, largestFreePages } = ranges;
  const pages = pagesByOwner(owners);
  return {
    operation,
    objects: total((region) => region.objects),
    requestedBytes,
    usableBytes,
    footprintBytes,
    internalWasteBytes: usableBytes - requestedBytes,
    otherWasteBytes: footprintBytes - usableBytes,
    headerBytes: headerBytes(pages, regions),
    cachedPages: pages.cached,
    freePages,
    largestFreePages,
    externalFragmentation: freePages === 0 ? 0 : 1 - largestFreePages / freePages,
    regions,
  };
}

function regionFigures(
  heap: Heap,
  objects: Iterable<TracedObject>,
): Partial<Record<Region, RegionFigures>> {
  const regions: Partial<Record<Region, RegionFigures>> = {};
  for (const { address, sizeBytes } of objects) {
    const region = heap.regionOf(address);
    const so = regions[region] ?? { objects: 0, requestedBytes: 0, usableBytes: 0 };
    regions[region] = {
      objects: so.objects + 1,
      requestedBytes: so.requestedBytes + sizeBytes,
      usableBytes: so.usableBytes + heap.usableBytes(address),
    };
  }
  return regions;
}

type Regions = MemoryFigures["regions"];

/** What is not a large object in its pages is its header. */
function headerBytes({ mempool, large }: Readonly<Record<PageOwner, number>>, of: Regions): number {
  return mempool * POOL_HEADER_BYTES + large * PAGE_BYTES - (of.large?.usableBytes ?? 0);
}

function pagesByOwner({ codes }: PageOwners): Record<PageOwner, number> {
  const counts = pageOwnerNames.map(() => 0);
  for (const code of codes) counts[code] = (counts[code] ?? 0) + 1;
  const entries = pageOwnerNames.map((name, code) => [name, counts[code] ?? 0] as const);
  return Object.fromEntries(entries) as Record<PageOwner, number>;
}
