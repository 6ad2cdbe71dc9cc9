import fc from "fast-check";
import * as assert from "uvu/assert";
import { translateAddress } from "../../../allocator-model/address.ts";
import { Heap, type HeapOptions } from "../../../allocator-model/heap.ts";
import { type Inspection, inspectAddress } from "../../../allocator-model/inspection.ts";
import { inspectionRows } from "../../../allocator-model/inspection-text.ts";
import { suite } from "../../support/suite.ts";

const test = suite("inspection");

function malloc(heap: Heap, size: number, cpu = 0): bigint {
  const address = heap.malloc(size, { cpu });
  if (address === undefined) throw new Error(`no memory for ${size}`);
  return address;
}

function inspect<Owner extends Inspection["owner"]>(
  heap: Heap,
  address: bigint,
  owner: Owner,
): Extract<Inspection, { owner: Owner }> {
  const found = inspectAddress(heap, address);
  assert.is(found?.owner, owner);
  return found as Extract<Inspection, { owner: Owner }>;
}

test("small objects: size, slot, how many, and whose; also of one that waits", () => {
  const heap = new Heap({ scheme: "proposal", pageCount: 64, cpus: 2, background: "by-steps" });
  const objects = [0, 1, 2].map(() => malloc(heap, 1000, 1));
  const [first = 0n, second = 0n, third = 0n] = objects;
  const page = first & ~0xfffn;
  assert.equal(inspect(heap, second + 5n, "mempool"), {
    ...{ page: Number((page >> 12n) & 0xffn), takenFor: "mempool", owner: "mempool" },
    ...{ cpu: 1, objectBytes: 1024, used: 3, slots: 3 },
    slot: { number: 1, begin: `0x${second.toString(16)}`, sizeBytes: 1024, state: "in use" },
  });
  assert.is(inspect(heap, page + 39n, "mempool").slot, undefined, "the header");
  assert.is(inspect(heap, page + 1023n, "mempool").slot, undefined, "behind the header");
  heap.free(second, { cpu: 1 });
  heap.free(third, { cpu: 0 });
  assert.is(inspect(heap, second, "mempool").slot?.state, "free");
  assert.is(inspect(heap, third, "mempool").slot?.state, "waiting");
  assert.is(inspect(heap, third, "mempool").used, 2);
  heap.collect(1);
  assert.is(inspect(heap, third, "mempool").slot?.state, "free");
});

test("a half page: its own state, and its neighbour's", () => {
  const heap = new Heap({ scheme: "proposal", pageCount: 64, cpus: 2, background: "by-steps" });
  const lower = malloc(heap, 2000);
  const upper = malloc(heap, 1500);
  const alone = inspect(heap, upper + 100n, "half-page");
  assert.equal(
    [alone.slot.number, alone.slot.state, alone.neighbour.state],
    [1, "in use", "in use"],
  );
  assert.is(alone.slot.begin, `0x${upper.toString(16)}`);
  assert.is(alone.neighbour.begin, `0x${lower.toString(16)}`);
  heap.free(upper);
  heap.free(lower, { cpu: 1 });
  const { slot, neighbour } = inspect(heap, lower, "half-page");
  assert.equal([slot.number, slot.state, neighbour.state], [0, "waiting", "free"]);
});

test("large objects side by side: each byte is of one, whatever its page", () => {
  for (const largeHeader of ["in-band", "out-of-band"] as const) {
    const heap = new Heap({ scheme: "proposal", pageCount: 64, pools: "none", largeHeader });
    for (const size of [5000, 20_000, 9000]) {
      const address = malloc(heap, size);
      const first = Number((address >> 12n) & 0xffn);
      const { range } = inspect(heap, address + BigInt(size - 1), "large");
      assert.is(range.first, first);
      const most = size + (largeHeader === "in-band" ? 64 : 0);
      assert.is(range.pages, Math.ceil(most / 4096));
    }
  }
});

test("through the area of another region: what it is, and what free would take it for", () => {
  const heap = new Heap({ scheme: "proposal", pageCount: 64 });
  const address = malloc(heap, 3000);
  const alias = translateAddress(heap.layout, address, 2);
  const found = inspect(heap, alias, "page");
  assert.equal([found.takenFor, found.slot.begin], ["half-page", `0x${address.toString(16)}`]);
  heap.free(address);
  inspect(heap, address, "cached");
});

test("where no memory is seen there is nothing; the text says so", () => {
  const heap = new Heap({ scheme: "proposal", pageCount: 64 });
  const memoryBytes = 0x4_0000;
  const behind = "No memory is seen there: it ends at physical address 0x40000";
  const elsewhere = "Nothing of the heap is seen there";
  for (const [address, isMapped, text] of [
    [0xffff_8000_0004_0000n, true, behind],
    [0n, false, elsewhere],
    [1n << 60n, false, elsewhere],
    [0xffff_c000_0000_0000n, false, elsewhere],
    [0xffff_f000_0000_0000n, false, elsewhere],
  ] as const) {
    const inspection = inspectAddress(heap, address);
    assert.is(inspection, undefined);
    assert.equal(inspectionRows({ address, inspection, memoryBytes, isMapped }), [["now", text]]);
  }
});

const command = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      size: fc.oneof(fc.nat({ max: 2100 }), fc.nat({ max: 20_000 })),
      cpu: fc.nat({ max: 1 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ which: fc.nat(), cpu: fc.nat({ max: 1 }) }) },
);

const variants: readonly HeapOptions[] = [
  { scheme: "offset-2013", pageCount: 128 },
  { scheme: "osv", pageCount: 128 },
  { scheme: "proposal", pageCount: 128 },
  { scheme: "proposal", pageCount: 128, largeHeader: "out-of-band" },
  { scheme: "osv", pageCount: 128, isBooting: true },
];

test("every live object is where it says, and every byte of memory has an owner and a text", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...variants),
      fc.array(command, { maxLength: 60, size: "max" }),
      (variant, commands) => {
        const heap = new Heap({ ...variant, cpus: 2, background: "by-steps" });
        const live: bigint[] = [];
        const freed: bigint[] = [];
        for (const one of commands) {
          if ("size" in one) live.push(heap.malloc(one.size, { cpu: one.cpu }) ?? 0n);
          else {
            const [address = 0n] = live.splice(one.which % Math.max(live.length, 1), 1);
            heap.free(address, { cpu: one.cpu });
            freed.push(address);
          }
        }
        for (const address of live.filter((one) => one !== 0n)) checkLive(heap, address);
        for (const address of freed.filter((one) => one !== 0n && !live.includes(one))) {
          const found = inspectAddress(heap, address);
          const isSlot = found?.owner === "mempool" || found?.owner === "half-page";
          if (isSlot && found.slot?.begin === `0x${address.toString(16)}`)
            assert.is.not(found.slot.state, "in use");
        }
        const memoryBytes = heap.memory.bytes.length;
        for (let physical = 0; physical < memoryBytes; physical += 1365) {
          const address = heap.addressOf(0, physical);
          const inspection = inspectAddress(heap, address);
          assert.is(inspection?.owner, heap.owners.of(Math.floor(physical / 4096)));
          assert.ok(
            inspectionRows({ address, inspection, memoryBytes, isMapped: true }).length >= 3,
          );
        }
      },
    ),
    { numRuns: 60 },
  );
});

function checkLive(heap: Heap, address: bigint): void {
  const found = inspectAddress(heap, address);
  assert.is(found?.takenFor, heap.regionOf(address));
  assert.is(found?.owner, heap.regionOf(address));
  if (found?.owner === "mempool" || found?.owner === "half-page" || found?.owner === "page") {
    assert.is(found.slot?.begin, `0x${address.toString(16)}`);
    assert.is(found.slot?.state, "in use");
    assert.is(found.slot?.sizeBytes, heap.usableBytes(address));
  }
}

test.run();
