import fc from "fast-check";
import * as assert from "uvu/assert";
import { AllocatorError } from "../../../allocator-model/allocator-error.ts";
import { PageTable, VIRTUAL_PAGES } from "../../../allocator-model/page-table.ts";
import { suite } from "../../support/suite.ts";
import { pageRig } from "./page-rig.ts";

const test = suite("page table");

function rig(pages = 64) {
  const { memory, ranges, source } = pageRig(pages);
  return { memory, ranges, table: new PageTable(memory, source) };
}

function refused(error: unknown): boolean {
  return error instanceof AllocatorError && error.code === "WL_ALLOC_RANGE";
}

test("what is mapped is translated, and nothing else", () => {
  const { table } = rig();
  assert.is(table.translate(5), undefined);
  assert.ok(table.map(5, 40, 0));
  assert.is(table.translate(5), 40);
  for (const other of [4, 6, 5 + 512, 5 + 512 ** 2, 5 + 512 ** 3]) {
    assert.is(table.translate(other), undefined);
  }
  assert.is(table.unmap(5, 0), 40);
  assert.is(table.unmap(5, 0), undefined);
  assert.is(table.translate(5), undefined);
});

test("entries are those that the CPU reads: physical address, present, writable, 8 bytes", () => {
  const { memory, table } = rig();
  // 5, 6, 7 and 8 are the indexes in the four nodes, pages 0 to 3.
  table.map(((5 * 512 + 6) * 512 + 7) * 512 + 8, 0x2a, 0);
  const view = new DataView(memory.bytes.buffer);
  const entries = [5, 6, 7, 8].map((index, node) =>
    view.getBigUint64(node * 4096 + index * 8, true),
  );
  assert.equal(entries, [0x1003n, 0x2003n, 0x3003n, 0x2a003n]);
});

test("a page needs four nodes, its neighbour none, and all go with the last page", () => {
  const { ranges, table } = rig();
  table.map(1000, 60, 0);
  assert.is(table.nodes, 4);
  table.map(1001, 61, 0);
  assert.is(table.nodes, 4);
  table.map(VIRTUAL_PAGES - 1, 62, 0);
  assert.is(table.nodes, 7);
  table.unmap(1000, 0);
  assert.is(table.nodes, 7);
  table.unmap(1001, 0);
  assert.is(table.nodes, 4);
  table.unmap(VIRTUAL_PAGES - 1, 0);
  assert.is(table.nodes, 0);
  assert.is(ranges.freePages, 64);
  assert.equal(ranges.violations(), []);
});

test("without memory for all nodes, nothing is mapped and nothing is kept", () => {
  for (const pages of [1, 2, 3]) {
    const { ranges, table } = rig(pages);
    assert.is(table.map(77, 0, 0), false);
    assert.is(table.nodes, 0);
    assert.is(ranges.freePages, pages);
  }
  const { ranges, table } = rig(5);
  assert.ok(table.map(77, 4, 0));
  assert.is(table.map(77 + 512 ** 2, 4, 0), false);
  assert.is(table.translate(77), 4);
  assert.is(ranges.freePages, 1);
  assert.equal(table.violations(), []);
});

test("an area has 2^32 pages, and a page is mapped once", () => {
  const { table } = rig();
  assert.ok(table.map(0, 60, 0));
  assert.throws(() => table.map(0, 61, 0), refused);
  for (const virtual of [-1, VIRTUAL_PAGES, 0.5]) {
    assert.throws(() => table.map(virtual, 61, 0), refused);
  }
  assert.is(table.translate(0), 60);
});

/** Near each other, and at both ends of a node of each level. */
const virtual = fc
  .tuple(
    fc.constantFrom(0, 1, 31),
    fc.constantFrom(0, 511),
    fc.constantFrom(0, 511),
    fc.constantFrom(0, 1, 511),
  )
  .map(([a, b, c, d]) => ((a * 512 + b) * 512 + c) * 512 + d);
const command = fc.record({ isMap: fc.boolean(), virtual, page: fc.nat({ max: 2 ** 22 - 1 }) });

test("in any order it is a map of pages, and its nodes come back", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 80 }), (commands) => {
      const { ranges, table } = rig(30);
      const model = new Map<number, number>();
      for (const one of commands) {
        if (!one.isMap) {
          assert.is(table.unmap(one.virtual, 0), model.get(one.virtual));
          model.delete(one.virtual);
        } else if (!model.has(one.virtual) && table.map(one.virtual, one.page, 0)) {
          model.set(one.virtual, one.page);
        }
        assert.is(table.translate(one.virtual), model.get(one.virtual));
      }
      const all = [...table.mappings()].map(({ virtual, page }) => [virtual, page]);
      assert.equal(
        all,
        [...model].sort(([a], [b]) => a - b),
      );
      assert.equal(table.violations(), []);
      assert.is(table.nodes + ranges.freePages, 30);
      for (const mapped of model.keys()) table.unmap(mapped, 0);
      assert.is(ranges.freePages, 30);
    }),
  );
});

test("what is wrong with the nodes is found", () => {
  const { memory, table } = rig();
  table.map(3, 60, 0);
  memory.words.fill(0, 3 * 1024, 4 * 1024);
  assert.equal(table.violations(), [
    "The node in page 3 is empty",
    "The node in page 3 has 0 entries, not 1",
  ]);
});

test.run();
