/** The address space and the pages of memory at one point of time: what `windlass alloc map --json` prints. Pure. */
import { encodeAddress, hex } from "../address.ts";
import { type AddressLayout, layouts, PAGE_BYTES, type SchemeName } from "../address-layout.ts";
import { type PageOwner, pageOwnerNames } from "../page-owners.ts";
import { areaOfOwner } from "./owner-marks.ts";
import { type HistoryReader, pageRuns } from "./page-history.ts";

export interface MapSnapshot {
  readonly trace: string;
  readonly scheme: SchemeName;
  /** Operations of the trace that are done, of how many. */
  readonly operation: number;
  readonly operations: number;
  readonly pageBytes: number;
  readonly pageCount: number;
  readonly requestedBytes: number;
  readonly usableBytes: number;
  readonly footprintBytes: number;
  readonly areas: readonly MapArea[];
  /** Pages by owner. */
  readonly pages: Readonly<Record<PageOwner, number>>;
  /** All pages of memory, in order: the number of the first, how many, whose. */
  readonly runs: readonly (readonly [first: number, pages: number, owner: PageOwner])[];
}

export interface MapArea {
  readonly name: string;
  /** Its lowest address. */
  readonly base: string;
  readonly mapping: AddressLayout["areas"][number]["mapping"];
  readonly use: string;
  /** Pages whose objects are seen there. */
  readonly pages: number;
}

/** @param reader where it stands is what the snapshot shows */
export function mapSnapshot({ history, codes, sample }: HistoryReader): MapSnapshot {
  const { name, scheme, operations, pageCount } = history;
  const figures = history.samples[sample];
  const counts = figures?.pages ?? [];
  return {
    trace: name,
    scheme,
    operation: figures?.operations ?? 0,
    operations,
    pageBytes: PAGE_BYTES,
    pageCount,
    requestedBytes: figures?.requestedBytes ?? 0,
    usableBytes: figures?.usableBytes ?? 0,
    footprintBytes: figures?.footprintBytes ?? 0,
    areas: areasOf(layouts[scheme], counts),
    pages: Object.fromEntries(
      pageOwnerNames.map((owner, code) => [owner, counts[code] ?? 0]),
    ) as Record<PageOwner, number>,
    runs: [...pageRuns(codes)].map(({ first, pages, code }) => [first, pages, ownerOf(code)]),
  };
}

export function ownerOf(code: number): PageOwner {
  return pageOwnerNames[code] ?? "free";
}

function areasOf(layout: AddressLayout, counts: readonly number[]): MapArea[] {
  const pages = layout.areas.map(() => 0);
  for (const [code, count] of counts.entries()) {
    const area = areaOfOwner(layout, ownerOf(code));
    if (area !== undefined) pages[area] = (pages[area] ?? 0) + count;
  }
  return layout.areas.map(({ name, mapping, use }, number) => ({
    name,
    base: hex(encodeAddress(layout, number, 0n)),
    mapping,
    use,
    pages: pages[number] ?? 0,
  }));
}
