/** What is at an address of a heap, as its headers, lists and tables have it. Changes nothing. */
import { decodeAddress, encodeAddress, hex } from "./address.ts";
import { PAGE_BYTES } from "./address-layout.ts";
import { areaNames, type Region } from "./dispatch.ts";
import { HALF_PAGE_BYTES } from "./half-pages.ts";
import type { Heap } from "./heap.ts";
import type { LargeRange } from "./large-objects.ts";
import type { PageOwner } from "./page-owners.ts";
import type { SlotState } from "./sinks.ts";

/** A place for an object. */
export interface Slot {
  /** In its page: the lowest is 0. */
  readonly number: number;
  /** As its region hands it out. */
  readonly begin: string;
  readonly sizeBytes: number;
  readonly state: SlotState;
}

/** By what uses the page. */
export type PageFacts =
  | { readonly owner: "free"; readonly range: LargeRange }
  | { readonly owner: "cached" | "debug" }
  | {
      readonly owner: "mempool";
      readonly cpu: number;
      readonly objectBytes: number;
      /** In use, or waiting for their CPU. */
      readonly used: number;
      readonly slots: number;
      /** Absent in the page's header, and between it and the first object. */
      readonly slot?: Slot;
    }
  | {
      readonly owner: "half-page";
      readonly cpu: number;
      readonly slot: Slot;
      readonly neighbour: Slot;
    }
  | { readonly owner: "page"; readonly slot: Slot }
  /** All of the object's pages, with its header's. */
  | { readonly owner: "large"; readonly range: LargeRange }
  | { readonly owner: "early"; readonly objects: number };

export type Inspection = PageFacts & {
  readonly page: number;
  /** The region that free(3) would give it to, by what it looks at; "none" when it would refuse. */
  readonly takenFor: Region | "none";
};

/** @returns undefined for an address in no area that maps all of memory, or behind memory's end */
export function inspectAddress(heap: Heap, address: bigint): Inspection | undefined {
  const physical = physicalIn(heap, address);
  if (physical === undefined) return undefined;
  const page = Math.floor(physical / PAGE_BYTES);
  const takenFor =
    heap.core.regionOf(Number(address >> 32n), Number(address & 0xffff_ffffn)) ?? "none";
  return { page, takenFor, ...factsOf(heap, physical, page) };
}

/** @returns undefined where `inspectAddress` does */
export function physicalIn({ layout, memory }: Heap, address: bigint): number | undefined {
  const decoded = decodeAddress(layout, address);
  if (decoded.kind !== "area" || decoded.area.mapping !== "identity") return undefined;
  const physical = Number(decoded.offset);
  return physical < memory.bytes.length ? physical : undefined;
}

function factsOf(heap: Heap, physical: number, page: number): PageFacts {
  const owner = heap.owners.of(page) ?? "free";
  const begin = page * PAGE_BYTES;
  switch (owner) {
    case "free":
      return { owner, range: freeRange(heap, page) };
    case "mempool":
      return poolFacts(heap, physical, page);
    case "half-page": {
      const { halves } = heap.core;
      const number = physical - begin < HALF_PAGE_BYTES ? 0 : 1;
      const [lower, upper] = [0, 1].map((half) => {
        const at = begin + half * HALF_PAGE_BYTES;
        const state = halves.stateOf(at);
        return { number: half, begin: nameOf(heap, owner, at), sizeBytes: HALF_PAGE_BYTES, state };
      }) as [Slot, Slot];
      const cpu = halves.ownerOf(page);
      return number === 0
        ? { owner, cpu, slot: lower, neighbour: upper }
        : { owner, cpu, slot: upper, neighbour: lower };
    }
    case "page": {
      const slot = { number: 0, begin: nameOf(heap, owner, begin), sizeBytes: PAGE_BYTES };
      return { owner, slot: { ...slot, state: "in use" } };
    }
    case "large":
      return { owner, range: largeRange(heap, page) };
    case "early":
      return {
        owner,
        objects: heap.layout.scheme === "offset-2013" ? 1 : heap.core.early.countIn(page),
      };
    case "cached":
    case "debug":
      return { owner };
  }
}

function poolFacts(heap: Heap, physical: number, page: number): PageFacts {
  const owner = "mempool";
  const { small } = heap.core;
  const facts = { owner, ...small.pageAt(page) } as const;
  const { objectBytes, slots } = facts;
  const first = (page + 1) * PAGE_BYTES - slots * objectBytes;
  if (physical < first) return facts;
  const number = Math.floor((physical - first) / objectBytes);
  const at = first + number * objectBytes;
  const begin = nameOf(heap, owner, at);
  return { ...facts, slot: { number, begin, sizeBytes: objectBytes, state: small.stateOf(at) } };
}

function freeRange({ ranges }: Heap, page: number): LargeRange {
  for (const { first, pages } of ranges.ranges())
    if (page >= first && page < first + pages) return { first, pages };
  throw new RangeError(`Page ${page} is in no free range`);
}

/** Only the first page of a range says how long it is: ranges are counted from where pages of others end. */
function largeRange({ owners, core }: Heap, page: number): LargeRange {
  let first = page;
  while (owners.of(first - 1) === "large") first -= 1;
  let range = core.large.rangeFrom(first);
  while (range.pages > 0 && range.first + range.pages <= page)
    range = core.large.rangeFrom(range.first + range.pages);
  return range;
}

function nameOf({ layout }: Heap, owner: Exclude<PageOwner, "free" | "cached">, physical: number) {
  const name = areaNames[layout.scheme][owner];
  const area = layout.areas.findIndex((one) => one.name === name);
  return hex(encodeAddress(layout, area, BigInt(physical)));
}
