/** Memory whose pages come from page ranges, one by one. */
import { PageRanges } from "../../../allocator-model/page-ranges.ts";
import { PhysicalMemory } from "../../../allocator-model/physical-memory.ts";
import type { PageSource } from "../../../allocator-model/small-objects.ts";

export interface PageRig {
  readonly memory: PhysicalMemory;
  readonly ranges: PageRanges;
  readonly source: PageSource;
}

export function pageRig(pages: number): PageRig {
  const memory = new PhysicalMemory(pages);
  const ranges = new PageRanges(memory);
  ranges.free(0, pages);
  const source: PageSource = {
    allocatePage: () => ranges.allocate(1),
    freePage: (page) => ranges.free(page, 1),
  };
  return { memory, ranges, source };
}
