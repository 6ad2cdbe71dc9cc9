/** What an object takes of memory: with its share of headers, and of what is left of its pages. */
import { PAGE_BYTES } from "./address-layout.ts";
import { defaultAlignment } from "./dispatch.ts";
import { HeapCore, type HeapCoreOptions } from "./heap-core.ts";

export type ObjectRules = Pick<HeapCoreOptions, "scheme" | "halfPages" | "largeHeader">;

/** @returns bytes of memory for each, when as many are there as fit into the pages that the first one takes */
export function objectFootprintBytes(rules: ObjectRules, size: number): number {
  const heap = heapFor(rules, size);
  add(heap, size);
  const pages = heap.usedPages;
  let count = 1;
  while (add(heap, size) && heap.usedPages === pages) count += 1;
  return (pages * PAGE_BYTES) / count;
}

/** @returns bytes that an object takes beyond what was asked for, when all sizes of a range are equally likely */
export function meanWasteBytes(rules: ObjectRules, from: number, to: number): number {
  // Large objects share no page with others, so that one heap does for all.
  const heap = heapFor(rules, to);
  let sum = 0;
  for (let size = from; size <= to; size += 1) {
    if (size <= PAGE_BYTES) sum += objectFootprintBytes(rules, size) - size;
    else {
      add(heap, size);
      sum += heap.usedPages * PAGE_BYTES - size;
      heap.free(heap.high, heap.low, 0);
    }
  }
  return sum / (to - from + 1);
}

/** With room for two, and their headers. */
function heapFor(rules: ObjectRules, size: number): HeapCore {
  const pageCount = 2 * (Math.ceil(size / PAGE_BYTES) + 1);
  return new HeapCore({ ...rules, pageCount, pools: "none" });
}

function add(heap: HeapCore, size: number): boolean {
  return heap.malloc(size, defaultAlignment(size), 0);
}
