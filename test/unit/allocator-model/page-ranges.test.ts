import fc from "fast-check";
import * as assert from "uvu/assert";
import { AllocatorError } from "../../../allocator-model/allocator-error.ts";
import { PageRanges } from "../../../allocator-model/page-ranges.ts";
import { PhysicalMemory } from "../../../allocator-model/physical-memory.ts";
import { suite } from "../../support/suite.ts";

const test = suite("page ranges");

function rangesOf(pageCount: number): PageRanges {
  const ranges = new PageRanges(new PhysicalMemory(pageCount));
  ranges.free(0, pageCount);
  return ranges;
}

/** Free ranges by place: "0+4 8+1". */
function shape(ranges: PageRanges): string {
  const all = [...ranges.ranges()].sort((a, b) => a.first - b.first);
  return all.map(({ first, pages }) => `${first}+${pages}`).join(" ");
}

test("pages come from the front of a range, and the rest stays", () => {
  const ranges = rangesOf(64);
  assert.is(ranges.allocate(3), 0);
  assert.is(ranges.allocate(1), 3);
  assert.is(shape(ranges), "4+60");
  assert.is(ranges.allocate(61), undefined);
  assert.is(ranges.allocate(60), 4);
  assert.is(ranges.allocate(1), undefined);
  assert.is(ranges.freePages, 0);
});

test("a range that is freed becomes one with both neighbours", () => {
  const ranges = rangesOf(16);
  assert.is(ranges.allocate(16), 0);
  ranges.free(2, 2);
  ranges.free(6, 3);
  assert.is(shape(ranges), "2+2 6+3");
  ranges.free(4, 2);
  assert.is(shape(ranges), "2+7");
  ranges.free(0, 2);
  ranges.free(9, 7);
  assert.is(shape(ranges), "0+16");
});

test("the smallest list that surely fits goes before a larger range", () => {
  const ranges = rangesOf(64);
  assert.is(ranges.allocate(64), 0);
  ranges.free(0, 32);
  ranges.free(40, 8);
  assert.is(ranges.allocate(5), 40);
  ranges.free(60, 3);
  // 3 pages are in the list of 2 to 3: only a look through it finds that they fit.
  assert.is(ranges.allocate(27), 0);
  assert.is(shape(ranges), "27+5 45+3 60+3");
  assert.is(ranges.allocate(5), 27);
  assert.is(ranges.allocate(3), 60);
});

test("huge ranges: the largest goes first", () => {
  const ranges = new PageRanges(new PhysicalMemory(400_000));
  ranges.free(0, 70_000);
  ranges.free(100_000, 150_000);
  ranges.free(300_000, 80_000);
  assert.is(ranges.allocate(66_000), 100_000);
  assert.is(ranges.allocate(66_000), 166_000);
  assert.is(ranges.allocate(66_000), 300_000);
  assert.equal(ranges.violations(), []);
});

test("aligned pages come from a range's end, and what is behind them stays", () => {
  const ranges = rangesOf(64);
  assert.is(ranges.allocate(1), 0);
  assert.is(ranges.allocateAligned(3, 8), 56);
  assert.is(shape(ranges), "1+55 59+5");
  // A header's page before pages that are aligned.
  assert.is(ranges.allocateAligned(9, 16, 1), 47);
  assert.is(ranges.allocateAligned(1, 64), undefined);
  assert.equal(ranges.violations(), []);
});

test("pages that are not there cannot be freed", () => {
  const ranges = rangesOf(8);
  for (const [first, pages] of [
    [-1, 2],
    [7, 2],
    [0, 0],
  ] as const) {
    assert.throws(
      () => ranges.free(first, pages),
      (error: unknown) => error instanceof AllocatorError && error.code === "WL_ALLOC_RANGE",
    );
  }
});

test("of what an aligned range leaves, the front is the next to be used", () => {
  const ranges = rangesOf(64);
  ranges.allocate(64);
  ranges.free(0, 23);
  // 8 to 15 pages before it, as many behind it: one list.
  assert.is(ranges.allocateAligned(1, 2, 1), 21);
  assert.is(shape(ranges), "0+21 22+1");
  const both = rangesOf(29);
  assert.is(both.allocateAligned(4, 16), 16);
  assert.equal(
    [...both.ranges()].filter(({ order }) => order === 3).map(({ first }) => first),
    [20],
  );
  const same = rangesOf(28);
  assert.is(same.allocateAligned(4, 16, 4), 12);
  assert.equal(
    [...same.ranges()].filter(({ order }) => order === 3).map(({ first }) => first),
    [0, 16],
  );
});

test("aligned pages are taken from the smallest huge range that has them, among equal ones from the oldest", () => {
  const ranges = new PageRanges(new PhysicalMemory(400_000));
  ranges.free(0, 80_000);
  ranges.free(100_000, 70_000);
  ranges.free(300_000, 70_000);
  assert.is(ranges.allocateAligned(1000, 8), 169_000);
  assert.is(ranges.allocateAligned(69_500, 8), 300_496);
  assert.is(ranges.allocateAligned(79_000, 8), 1000);
  assert.equal(ranges.violations(), []);
});

const PAGES = 96;
const command = fc.oneof(
  fc.record({ kind: fc.constant("allocate" as const), pages: fc.integer({ min: 1, max: 40 }) }),
  fc.record({
    kind: fc.constant("aligned" as const),
    pages: fc.integer({ min: 1, max: 20 }),
    alignment: fc.constantFrom(1, 2, 4, 8, 16, 32),
    offset: fc.constantFrom(0, 1),
  }),
  fc.record({ kind: fc.constant("free" as const), which: fc.nat({ max: 1000 }) }),
);

test("a range at the begin of memory that is too short is not taken for an aligned one", () => {
  const ranges = rangesOf(PAGES);
  ranges.allocate(PAGES);
  ranges.free(0, 12);
  assert.is(ranges.allocateAligned(13, 4), undefined);
});

test("whatever is taken and given back: no page twice, none lost, no two free ranges side by side", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 120 }), (commands) => {
      const ranges = rangesOf(PAGES);
      const isTaken = new Array<boolean>(PAGES).fill(false);
      const taken: { first: number; pages: number }[] = [];
      const longest = (): number => {
        let run = 0;
        return isTaken.reduce((best, used) => {
          run = used ? 0 : run + 1;
          return Math.max(best, run);
        }, 0);
      };
      for (const one of commands) {
        if (one.kind === "free") {
          const [freed] = taken.splice(one.which % Math.max(taken.length, 1), 1);
          if (!freed) continue;
          ranges.free(freed.first, freed.pages);
          isTaken.fill(false, freed.first, freed.first + freed.pages);
        } else {
          const { pages } = one;
          const first =
            one.kind === "allocate"
              ? ranges.allocate(pages)
              : ranges.allocateAligned(pages, one.alignment, one.offset);
          if (one.kind === "allocate") assert.is(first === undefined, longest() < pages);
          if (first === undefined) continue;
          if (one.kind === "aligned") assert.is((first + one.offset) % one.alignment, 0);
          assert.ok(isTaken.slice(first, first + pages).every((used) => !used));
          isTaken.fill(true, first, first + pages);
          taken.push({ first, pages });
        }
        assert.equal(ranges.violations(), []);
        assert.is(ranges.freePages, isTaken.filter((used) => !used).length);
      }
    }),
  );
});

test.run();
