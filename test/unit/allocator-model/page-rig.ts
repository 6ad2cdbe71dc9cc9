/** Memory whose pages come from page ranges, one by one. */
import type { EarlyPageSource } from "../../../allocator-model/early-objects.ts";
import { PageRanges } from "../../../allocator-model/page-ranges.ts";
import { PhysicalMemory } from "../../../allocator-model/physical-memory.ts";

export interface PageRig {
  readonly memory: PhysicalMemory;
  readonly ranges: PageRanges;
  /** Of any region: none of them is a CPU's. */
  readonly source: EarlyPageSource;
}

export function pageRig(pages: number): PageRig {
  const memory = new PhysicalMemory(pages);
  const ranges = new PageRanges(memory);
  ranges.free(0, pages);
  const source: EarlyPageSource = {
    allocatePage: () => ranges.allocate(1),
    freePage: (page) => ranges.free(page, 1),
  };
  return { memory, ranges, source };
}
