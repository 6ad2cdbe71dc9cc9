import fc from "fast-check";
import * as assert from "uvu/assert";
import { PAGE_BYTES } from "../../../allocator-model/address-layout.ts";
import { HALF_PAGE_BYTES, HalfPages } from "../../../allocator-model/half-pages.ts";
import { suite } from "../../support/suite.ts";
import { pageRig } from "./page-rig.ts";

const test = suite("half pages");

function rig({ pages = 8, cpus = 2 } = {}) {
  const { memory, ranges, source } = pageRig(pages);
  return { memory, ranges, halves: new HalfPages(memory, source, cpus) };
}

test("two objects share a page, the lower half first, and nothing is wasted", () => {
  const { halves, ranges } = rig({ pages: 2 });
  const addresses = [0, 0, 0, 0].map((cpu) => halves.allocate(cpu));
  assert.equal(addresses, [0, HALF_PAGE_BYTES, PAGE_BYTES, PAGE_BYTES + HALF_PAGE_BYTES]);
  assert.is(halves.allocate(0), undefined);
  assert.is(ranges.freePages, 0);
});

test("a page goes back when both halves are free, in either order", () => {
  for (const order of [
    [0, 1],
    [1, 0],
  ]) {
    const { halves, ranges } = rig();
    const both = [halves.allocate(0) ?? -1, halves.allocate(0) ?? -1];
    halves.free(0, both[order[0] ?? 0] ?? -1);
    assert.equal([...halves.freeOf(0)], [both[order[0] ?? 0]]);
    assert.is(ranges.freePages, 7);
    halves.free(0, both[order[1] ?? 0] ?? -1);
    assert.equal([...halves.freeOf(0)], []);
    assert.is(ranges.freePages, 8);
  }
});

test("what another CPU frees is its owner's when that collects", () => {
  const { halves, ranges } = rig();
  const address = halves.allocate(0) ?? -1;
  assert.is(halves.free(1, address), undefined, "not worth telling it");
  assert.is(ranges.freePages, 7);
  assert.is(halves.collect(1), 0);
  assert.is(halves.collect(0), 1);
  assert.is(ranges.freePages, 8);
});

test("an owner looks into its sinks before it takes a page", () => {
  const { halves, ranges } = rig();
  const address = halves.allocate(0) ?? -1;
  const other = halves.allocate(0) ?? -1;
  halves.free(1, address);
  assert.is(halves.allocate(0), address, "no page was taken");
  halves.free(1, address);
  halves.free(1, other);
  halves.collect(0);
  assert.is(ranges.freePages, 8);
});

test("an owner is told when more than sixteen wait in a sink", () => {
  const { halves } = rig({ pages: 16 });
  const all = Array.from({ length: 17 }, () => halves.allocate(0) ?? -1);
  const told = all.map((address) => halves.free(1, address));
  assert.equal(told, [...Array(16).fill(undefined), 0]);
  assert.is(halves.collect(0), 17);
});

const CPUS = 3;
const cpu = fc.nat({ max: CPUS - 1 });
const command = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("allocate" as const), cpu }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("free" as const), cpu, which: fc.nat() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("collect" as const), cpu }) },
);

test("on any CPU and in any order: no half twice, none changed, every page comes back", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 200 }), (commands) => {
      const { memory, ranges, halves } = rig({ pages: 12, cpus: CPUS });
      const live = new Map<number, number>();
      for (const [index, one] of commands.entries()) {
        if (one.kind === "collect") halves.collect(one.cpu);
        else if (one.kind === "allocate") {
          const address = halves.allocate(one.cpu);
          if (address === undefined) continue;
          assert.not(live.has(address));
          assert.is(address % HALF_PAGE_BYTES, 0);
          const mark = index % 251;
          memory.bytes.fill(mark, address, address + HALF_PAGE_BYTES);
          live.set(address, mark);
        } else {
          const [address, mark] = [...live][one.which % Math.max(live.size, 1)] ?? [];
          if (address === undefined) continue;
          const bytes = memory.bytes.subarray(address, address + HALF_PAGE_BYTES);
          assert.ok(bytes.every((byte) => byte === mark));
          live.delete(address);
          halves.free(one.cpu, address);
        }
      }
      for (const address of live.keys()) halves.free(0, address);
      for (let owner = 0; owner < CPUS; owner += 1) halves.collect(owner);
      assert.is(ranges.freePages, memory.pageCount);
      assert.equal(ranges.violations(), []);
    }),
  );
});

test.run();
