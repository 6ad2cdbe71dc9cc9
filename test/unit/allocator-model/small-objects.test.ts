import fc from "fast-check";
import * as assert from "uvu/assert";
import { PAGE_BYTES } from "../../../allocator-model/address-layout.ts";
import type { PageRanges } from "../../../allocator-model/page-ranges.ts";
import type { PhysicalMemory } from "../../../allocator-model/physical-memory.ts";
import {
  bytesOf,
  POOL_HEADER_BYTES,
  SIZE_CLASSES,
  SmallObjects,
  sizeClassOf,
} from "../../../allocator-model/small-objects.ts";
import { suite } from "../../support/suite.ts";
import { pageRig } from "./page-rig.ts";

const test = suite("small objects");

interface Rig {
  readonly memory: PhysicalMemory;
  readonly ranges: PageRanges;
  readonly objects: SmallObjects;
}

function rig({ pages = 16, cpus = 2 } = {}): Rig {
  const { memory, ranges, source } = pageRig(pages);
  return { memory, ranges, objects: new SmallObjects(memory, source, cpus) };
}

function allocate({ objects }: Rig, cpu: number, sizeClass: number): number {
  const address = objects.allocate(cpu, sizeClass);
  if (address === undefined) throw new Error("no memory");
  return address;
}

test("a page has as many objects as OSv's, each aligned to its size, the lowest first", () => {
  const expected = { 8: 507, 16: 253, 32: 126, 64: 63, 128: 31, 256: 15, 512: 7, 1024: 3, 2048: 1 };
  for (const [size, count] of Object.entries(expected)) {
    const { objects } = rig({ pages: 1 });
    const sizeClass = sizeClassOf(Number(size));
    const addresses: number[] = [];
    for (;;) {
      const address = objects.allocate(0, sizeClass);
      if (address === undefined) break;
      addresses.push(address);
    }
    assert.is(addresses.length, count, size);
    assert.ok(addresses.every((address) => address % Number(size) === 0));
    assert.equal(
      addresses,
      [...addresses].sort((a, b) => a - b),
    );
    assert.ok((addresses[0] ?? 0) >= POOL_HEADER_BYTES);
  }
});

test("the class of a size is the smallest power of two that holds it", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2048 }), (size) => {
      const sizeClass = sizeClassOf(size);
      assert.ok(sizeClass < SIZE_CLASSES);
      assert.ok(bytesOf(sizeClass) >= Math.max(size, 8));
      if (sizeClass > 0) assert.ok(bytesOf(sizeClass - 1) < size);
    }),
  );
});

test("what was freed last is handed out first", () => {
  const machine = rig();
  const [a, b] = [allocate(machine, 0, 3), allocate(machine, 0, 3)];
  machine.objects.free(0, a);
  machine.objects.free(0, b);
  assert.is(allocate(machine, 0, 3), b);
  assert.is(allocate(machine, 0, 3), a);
  assert.is(machine.objects.usableBytes(a), 64);
});

test("one empty page is kept, a second goes back", () => {
  const machine = rig();
  const { objects, ranges } = machine;
  const six = Array.from({ length: 6 }, () => allocate(machine, 0, 7)); // Three a page.
  assert.is(ranges.freePages, 14);
  for (const address of six.slice(0, 3)) objects.free(0, address);
  assert.is(ranges.freePages, 14);
  for (const address of six.slice(3)) objects.free(0, address);
  assert.equal([...objects.pagesOf(0, 7)], [{ page: 0, count: 0 }]);
  assert.is(ranges.freePages, 15);
  // An object that comes and goes does not take and give back a page each time.
  for (let time = 0; time < 3; time += 1) {
    objects.free(0, allocate(machine, 0, 7));
    assert.is(ranges.freePages, 15);
  }
});

test("another CPU's object waits in a sink until its owner collects", () => {
  const machine = rig();
  const { objects } = machine;
  const address = allocate(machine, 0, 0);
  assert.is(objects.free(1, address), undefined);
  assert.is.not(allocate(machine, 0, 0), address);
  assert.is(objects.collect(1), 0);
  assert.is(objects.collect(0), 1);
  assert.is(allocate(machine, 0, 0), address);
});

test("the owner is told after more than 256 pushes, and then after as many again", () => {
  const machine = rig();
  const told: number[] = [];
  for (let push = 1; push <= 600; push += 1) {
    if (machine.objects.free(1, allocate(machine, 0, 0)) === 0) told.push(push);
  }
  assert.equal(told, [257, 514]);
});

const CPUS = 3;
const cpu = fc.nat({ max: CPUS - 1 });
const command = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("allocate" as const),
      cpu,
      sizeClass: fc.nat({ max: SIZE_CLASSES - 1 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("free" as const), cpu, which: fc.nat() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("collect" as const), cpu }) },
);

test("on any CPU and in any order: no byte twice, none changed, no page lost", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 300 }), (commands) => {
      const machine = rig({ pages: 24, cpus: CPUS });
      const { memory, objects, ranges } = machine;
      const live: { address: number; size: number; mark: number }[] = [];
      const used = new Set<number>();
      for (const [index, one] of commands.entries()) {
        if (one.kind === "collect") objects.collect(one.cpu);
        else if (one.kind === "free") {
          const [object] = live.splice(one.which % Math.max(live.length, 1), 1);
          if (!object) continue;
          const { address, size, mark } = object;
          assert.ok(memory.bytes.subarray(address, address + size).every((byte) => byte === mark));
          for (let at = address; at < address + size; at += 8) used.delete(at);
          objects.free(one.cpu, address);
        } else {
          const address = objects.allocate(one.cpu, one.sizeClass);
          if (address === undefined) continue;
          const size = bytesOf(one.sizeClass);
          const mark = index % 251;
          assert.is(address % size, 0);
          assert.is(objects.usableBytes(address), size);
          for (let at = address; at < address + size; at += 8) {
            assert.not(used.has(at));
            used.add(at);
          }
          memory.bytes.fill(mark, address, address + size);
          live.push({ address, size, mark });
        }
      }
      for (const { address } of live) objects.free(0, address);
      for (let owner = 0; owner < CPUS; owner += 1) objects.collect(owner);
      const kept = new Set<number>();
      for (let owner = 0; owner < CPUS; owner += 1) {
        for (let sizeClass = 0; sizeClass < SIZE_CLASSES; sizeClass += 1) {
          for (const { page, count } of objects.pagesOf(owner, sizeClass)) {
            assert.is(count, 0);
            kept.add(page);
          }
        }
      }
      assert.is(kept.size + ranges.freePages, memory.pageCount);
      assert.equal(ranges.violations(), []);
      assert.ok([...kept].every((page) => page * PAGE_BYTES < memory.bytes.length));
    }),
  );
});

test.run();
