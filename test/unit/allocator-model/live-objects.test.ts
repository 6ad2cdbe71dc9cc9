import fc from "fast-check";
import * as assert from "uvu/assert";
import { LiveObjects } from "../../../allocator-model/live-objects.ts";
import { PhysicalMemory } from "../../../allocator-model/physical-memory.ts";
import { suite } from "../../support/suite.ts";

const test = suite("live objects");

test("an object is found from inside, with the size that was asked for", () => {
  const objects = new LiveObjects(new PhysicalMemory(2));
  objects.add(64, 100);
  objects.add(4096, 4096);
  assert.ok(objects.has(64));
  assert.not(objects.has(65));
  assert.is(objects.sizeOf(64), 100);
  assert.is(objects.sizeOf(4096), 4096);
  assert.equal(
    [63, 64, 65, 4095, 4096, 8191].map((at) => objects.before(at)),
    [undefined, 64, 64, 64, 4096, 4096],
  );
  assert.equal(
    [0, 64, 65, 4097].map((at) => objects.behind(at)),
    [64, 64, 4096, undefined],
  );
  objects.remove(64);
  assert.equal([...objects.addresses()], [4096]);
});

test("an object of no bytes counts as one of 1", () => {
  const objects = new LiveObjects(new PhysicalMemory(1));
  objects.add(0, 0);
  objects.add(1, 31);
  assert.is(objects.sizeOf(0), 1);
  assert.is(objects.sizeOf(1), 31);
});

const command = fc.record({
  isAdd: fc.boolean(),
  gap: fc.nat({ max: 40 }),
  size: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 300 })),
  which: fc.nat(),
});

test("it is a map of objects that do not overlap, wherever they begin and end", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), fc.nat({ max: 8191 }), (commands, probe) => {
      const objects = new LiveObjects(new PhysicalMemory(2));
      const model = new Map<number, number>();
      let at = 0;
      for (const { isAdd, gap, size, which } of commands) {
        if (isAdd && at + gap + size <= 8192) {
          objects.add(at + gap, size);
          model.set(at + gap, size);
          at += gap + size;
        } else if (model.size > 0) {
          const address = [...model.keys()][which % model.size] ?? 0;
          objects.remove(address);
          model.delete(address);
        }
      }
      const addresses = [...model.keys()].sort((a, b) => a - b);
      assert.equal([...objects.addresses()], addresses);
      for (const [address, size] of model) assert.is(objects.sizeOf(address), size);
      assert.is(objects.before(probe), addresses.filter((one) => one <= probe).at(-1));
      assert.is(
        objects.behind(probe),
        addresses.find((one) => one >= probe),
      );
    }),
  );
});

test.run();
