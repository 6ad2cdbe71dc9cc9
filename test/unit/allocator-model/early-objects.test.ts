import fc from "fast-check";
import * as assert from "uvu/assert";
import { EarlyObjects, fitsEarly } from "../../../allocator-model/early-objects.ts";
import { suite } from "../../support/suite.ts";
import { pageRig } from "./page-rig.ts";

const test = suite("early objects");

function rig(pages = 64) {
  const { memory, ranges, source } = pageRig(pages);
  return { memory, ranges, early: new EarlyObjects(memory, source) };
}

test("objects follow each other, each behind its size", () => {
  const { early, ranges } = rig();
  assert.is(early.allocate(5, 8), 24);
  assert.is(early.allocate(7, 1), 31);
  assert.is(early.allocate(100, 64), 64);
  assert.is(early.usableBytes(31), 7);
  assert.is(ranges.freePages, 63);
});

test("two thousand small objects take some forty pages, not two thousand", () => {
  // OSv's commit fbc22bd6 counted 125 KB in about 2000 objects: 44 pages.
  const { early, ranges } = rig();
  for (let count = 0; count < 2000; count += 1) early.allocate(64, 16);
  const pages = 64 - ranges.freePages;
  assert.ok(pages >= 32 && pages <= 44, `${pages} pages`);
});

test("the place of the last object is used again, and a page whose objects are gone goes back", () => {
  const { early, ranges } = rig();
  const first = early.allocate(32, 8) ?? -1;
  const second = early.allocate(32, 8) ?? -1;
  early.free(second);
  assert.is(early.allocate(32, 8), second);
  early.free(second);
  early.free(second);
  assert.is(ranges.freePages, 63);
  early.free(first);
  assert.is(ranges.freePages, 64);
});

test("going back ends before the bytes that aligned the object, and is one step", () => {
  // OSv has early_alloc_previous_offset, which is where the free part began before the last object.
  const { early } = rig();
  early.allocate(10, 1);
  const aligned = early.allocate(100, 256) ?? -1;
  assert.is(aligned, 256);
  early.free(aligned);
  const next = early.allocate(4, 1) ?? -1;
  assert.is(next, 18 + 10 + 2, "behind the first one, not at 256");
  const last = early.allocate(6, 1) ?? -1;
  early.free(last);
  early.free(next);
  assert.is(early.allocate(6, 1), last, "the step before is not known");
});

test("what fits into a page is what can be allocated", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4200 }), fc.nat({ max: 12 }), (size, shift) => {
      const alignment = 2 ** shift;
      const { early, ranges } = rig(2);
      if (!fitsEarly(size, alignment)) return;
      const address = early.allocate(size, alignment) ?? -1;
      assert.ok(address > 0 && address % alignment === 0);
      assert.ok((address % 4096) + size <= 4096);
      assert.is(ranges.freePages, 1);
    }),
  );
});

const command = fc.oneof(
  fc.record({
    kind: fc.constant("allocate" as const),
    size: fc.integer({ min: 1, max: 900 }),
    shift: fc.nat({ max: 8 }),
  }),
  fc.record({ kind: fc.constant("free" as const), which: fc.nat() }),
);

test("in any order: no byte twice, none changed, every page comes back", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 100 }), (commands) => {
      const { memory, ranges, early } = rig();
      const live: { at: number; size: number; mark: number }[] = [];
      const remove = (which: number): void => {
        const [object] = live.splice(which % Math.max(live.length, 1), 1);
        if (!object) return;
        const content = memory.bytes.subarray(object.at, object.at + object.size);
        assert.ok(content.every((byte) => byte === object.mark));
        early.free(object.at);
      };
      for (const [index, one] of commands.entries()) {
        if (one.kind === "free") remove(one.which);
        else {
          const { size } = one;
          const at = early.allocate(size, 2 ** one.shift) ?? -1;
          assert.is(at % 2 ** one.shift, 0);
          assert.is(early.usableBytes(at), size);
          assert.ok(live.every((other) => at >= other.at + other.size || at + size <= other.at));
          const mark = index % 251;
          memory.bytes.fill(mark, at, at + size);
          live.push({ at, size, mark });
        }
      }
      while (live.length > 0) remove(0);
      assert.is(ranges.freePages, memory.pageCount);
      assert.equal(ranges.violations(), []);
    }),
  );
});

test.run();
