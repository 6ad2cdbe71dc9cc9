/** What no step may break, over all structures of a heap. */
import type { HeapCore } from "./heap-core.ts";
import { pageOwnerNames } from "./page-owners.ts";

/** @returns what is broken: a sentence each */
export function heapViolations(heap: HeapCore): string[] {
  return [
    ...heap.ranges.violations(),
    ...heap.small.violations(),
    ...heap.halves.violations(heap.cpus),
    ...ownerViolations(heap),
  ];
}

/** Each page is in one place: a free range, a pool, or with an owner. */
function ownerViolations({ memory, ranges, pools, owners }: HeapCore): string[] {
  const found: string[] = [];
  const seen = new Uint8Array(memory.pageCount);
  const see = (page: number, owner: "free" | "cached"): void => {
    const is = owners.of(page);
    if (is !== owner) found.push(`Page ${page} is ${owner}, and owned by ${is}`);
    if (seen[page] === 1) found.push(`Page ${page} is free twice`);
    seen[page] = 1;
  };
  for (const { first, pages } of ranges.ranges()) {
    for (let page = first; page < first + pages; page += 1) see(page, "free");
  }
  let cached = 0;
  for (const page of pools?.pages() ?? []) {
    see(page, "cached");
    cached += 1;
  }
  if (cached !== (pools?.cachedPages ?? 0)) {
    found.push(`${cached} pages are in pools, not ${pools?.cachedPages}`);
  }
  for (let page = 0; page < memory.pageCount; page += 1) {
    const owner = pageOwnerNames[owners.codes[page] ?? 0];
    if (seen[page] === 0 && (owner === "free" || owner === "cached")) {
      found.push(`Page ${page} is ${owner}, and nowhere`);
    }
  }
  return found;
}
