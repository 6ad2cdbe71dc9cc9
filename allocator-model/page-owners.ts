/** Who uses each page of physical memory: a table beside it, for checks, maps and figures. */
import type { PhysicalMemory } from "./physical-memory.ts";

/** By code. "cached" pages are in a page pool, free for their CPU. */
export const pageOwnerNames = [
  "free",
  "cached",
  "mempool",
  "half-page",
  "page",
  "large",
  "early",
  "debug",
] as const;

export type PageOwner = (typeof pageOwnerNames)[number];

export class PageOwners {
  /** A code a page. */
  readonly codes: Uint8Array;

  constructor(memory: PhysicalMemory) {
    this.codes = memory.bytesTable(memory.pageCount);
  }

  of(page: number): PageOwner | undefined {
    return pageOwnerNames[this.codes[page] ?? pageOwnerNames.length];
  }

  set(owner: PageOwner, first: number, pages = 1): void {
    const code = pageOwnerNames.indexOf(owner);
    if (pages === 1) this.codes[first] = code;
    else this.codes.fill(code, first, first + pages);
  }
}
