import fc from "fast-check";
import * as assert from "uvu/assert";
import { PageOwners } from "../../../allocator-model/page-owners.ts";
import { PagePools, smallPools, usualPools } from "../../../allocator-model/page-pools.ts";
import { PageRanges } from "../../../allocator-model/page-ranges.ts";
import { PhysicalMemory } from "../../../allocator-model/physical-memory.ts";
import { suite } from "../../support/suite.ts";

const test = suite("page pools");

function rig({ pageCount = 4096, cpus = 2, sizes = usualPools } = {}) {
  const memory = new PhysicalMemory(pageCount);
  const ranges = new PageRanges(memory);
  ranges.free(0, pageCount);
  const owners = new PageOwners(memory);
  const pools = new PagePools(memory, { ranges, owners }, { cpus, sizes });
  return { ranges, owners, pools };
}

test("the first page fills both pools to their half", () => {
  const { ranges, pools } = rig();
  const page = pools.allocatePage(0);
  assert.type(page, "number");
  // L2 has at most 2 * 512 / 32 batches, and is filled to 16; seven of these go to the CPU: 256 is not passed.
  assert.is(pools.cachedPages, 4096 - ranges.freePages - 1);
  assert.is(pools.cachedPages, 16 * 32 - 1);
});

test("most pages are taken and given without the lock", () => {
  const { ranges, pools } = rig();
  const before = ranges.lock.acquisitions;
  for (let round = 0; round < 100; round += 1) {
    const pages = Array.from({ length: 10 }, () => pools.allocatePage(0) ?? -1);
    for (const page of pages) pools.freePage(page, 0);
  }
  assert.is(ranges.lock.acquisitions - before, 16, "once a batch, at first");
});

test("a CPU that only frees gives batches to one that only allocates", () => {
  const { ranges, pools } = rig();
  const seen = new Set<number>();
  for (let round = 0; round < 2000; round += 1) {
    const page = pools.allocatePage(0) ?? -1;
    seen.add(page);
    pools.freePage(page, 1);
  }
  assert.ok(seen.size < 1100, `${seen.size} different pages: they come back`);
  pools.drain([0, 1]);
  assert.is(ranges.freePages, 4096);
});

test("without a balance, one batch is moved when there is no other way", () => {
  const { pools } = rig({ cpus: 1, sizes: smallPools });
  const pages = [pools.allocatePage(0) ?? -1];
  const inBatches = (): number => pools.cachedPages - 3;
  assert.is(inBatches(), 4, "two batches were made, and one of them came");
  // Half of the stack, and a batch: that is what it takes from others, no more.
  while (pages.length < 20) pages.push(pools.allocatePage(0) ?? -1);
  const before = pools.cachedPages;
  for (const page of pages.slice(0, 16)) pools.freePage(page, 0);
  pools.freePage(pages[16] ?? -1, 0);
  assert.is(pools.cachedPages, before + 17);
  assert.ok(pools.isDue(0), "thirteen are left");
});

test("a batch has the pages of a stack from its top downwards, and brings them back so", () => {
  const { ranges, pools } = rig({ cpus: 2, sizes: smallPools });
  const pages = Array.from({ length: 17 }, () => ranges.allocate(1) ?? -1);
  // The stack has room for sixteen; the last one makes it give away a batch.
  for (const page of pages) pools.freePage(page, 0);
  const other = Array.from({ length: 4 }, () => pools.allocatePage(1));
  assert.equal(other, pages.slice(12, 16));
});

test("batches are balanced by themselves, too", () => {
  const { ranges, pools } = rig({ cpus: 2, sizes: smallPools });
  const pages = Array.from({ length: 64 }, () => ranges.allocate(1) ?? -1);
  for (const page of pages) pools.freePage(page, 0);
  // Twelve are left to the stack, so that it is neither too low nor too high; and there are too many batches.
  while (pools.isDue(0)) pools.allocatePage(0);
  const free = ranges.freePages;
  assert.is(pools.balance(0), true);
  assert.ok(ranges.freePages > free, "some went back");
  assert.is(pools.balance(0), false);
});

test("below a quarter it is filled, above three it is emptied", () => {
  const { pools } = rig({ cpus: 1, sizes: smallPools });
  const pages = Array.from({ length: 40 }, () => pools.allocatePage(0) ?? -1);
  for (const page of pages.splice(0, 13)) pools.freePage(page, 0);
  assert.ok(pools.isDue(0));
  pools.balance(0);
  assert.not(pools.isDue(0));
});

test("with less than a batch left, pages are still given out one by one, and then none", () => {
  const { ranges, pools } = rig({ pageCount: 10, cpus: 1, sizes: smallPools });
  const pages = Array.from({ length: 10 }, () => pools.allocatePage(0));
  assert.is(new Set(pages).size, 10);
  assert.is(pools.allocatePage(0), undefined);
  assert.is(ranges.freePages, 0);
});

test("a batch that cannot be filled goes back whole", () => {
  const { ranges, pools } = rig({ pageCount: 64, cpus: 1, sizes: smallPools });
  ranges.failAllocations(3);
  const page = pools.allocatePage(0);
  assert.type(page, "number");
  assert.is(ranges.freePages + pools.cachedPages, 63);
});

const cpu = fc.nat({ max: 2 });
const command = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("take" as const), cpu }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("give" as const), cpu, which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("balance" as const), cpu }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("drain" as const), cpu }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("fail" as const), after: fc.nat({ max: 9 }) }),
  },
);

test("on any CPU and in any order: no page twice, none lost, each where its owner says", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 150, size: "max" }), (commands) => {
      const { ranges, owners, pools } = rig({ pageCount: 80, cpus: 3, sizes: smallPools });
      const taken: number[] = [];
      for (const one of commands) {
        if (one.kind === "take") {
          const page = pools.allocatePage(one.cpu);
          if (page === undefined) continue;
          assert.not(taken.includes(page));
          owners.set("page", page);
          taken.push(page);
        } else if (one.kind === "give") {
          const [page] = taken.splice(one.which % Math.max(taken.length, 1), 1);
          if (page !== undefined) pools.freePage(page, one.cpu);
        } else if (one.kind === "balance") pools.balance(one.cpu);
        else if (one.kind === "drain") pools.drain([one.cpu]);
        else ranges.failAllocations(one.after + 1);
        const cached = [...pools.pages()];
        assert.is(new Set([...cached, ...taken]).size, cached.length + taken.length);
        assert.is(pools.cachedPages, cached.length);
        assert.is(ranges.freePages + cached.length + taken.length, 80);
        assert.ok(cached.every((page) => owners.of(page) === "cached"));
        assert.ok(taken.every((page) => owners.of(page) === "page"));
      }
      pools.drain([0, 1, 2]);
      assert.is(ranges.freePages + taken.length, 80);
      assert.equal(ranges.violations(), []);
    }),
    { numRuns: 60 },
  );
});

test.run();
