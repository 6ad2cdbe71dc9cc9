import fc from "fast-check";
import * as assert from "uvu/assert";
import { AddressTrace } from "../../../allocator-model/address-trace.ts";
import { encodeTrace } from "../../../allocator-model/trace-file.ts";
import { suite } from "../../support/suite.ts";
import { traceText } from "./trace-text.ts";

const test = suite("traces of addresses");

const cpu = 0;

test("objects have small numbers, which are used again", () => {
  const addresses = new AddressTrace<number>();
  addresses.allocate(0x1000, { size: 1, cpu });
  addresses.allocate(0x2000, { size: 2, cpu });
  addresses.free(0x1000, 1);
  addresses.allocate(0x3000, { size: 3, cpu, isZeroed: true });
  addresses.allocate(0x4000, { size: 4, cpu, alignment: 64 });
  const expected = ["malloc 0 1", "malloc 1 2", "free 0 on 1", "calloc 0 3", "malloc 2 4 @64"];
  assert.equal(traceText(addresses.build("x").trace), expected);
});

test("an object that moves keeps its number, and its old address is another's meanwhile", () => {
  const addresses = new AddressTrace<string>();
  addresses.allocate("a", { size: 8, cpu });
  const moving = addresses.beginRealloc("a");
  addresses.allocate("a", { size: 16, cpu: 1 });
  addresses.endRealloc(moving, "b", { size: 80, cpu });
  addresses.free("a", cpu);
  addresses.free("b", cpu);
  const { trace, losses } = addresses.build("x");
  const expected = ["malloc 0 8", "malloc 1 16 on 1", "realloc 0 80", "free 1", "free 0"];
  assert.equal(traceText(trace), expected);
  assert.is(losses.unseenFrees + losses.unknownAddresses, 0);
});

test("a realloc that fails leaves the object, one to nothing frees it or makes an empty one", () => {
  const addresses = new AddressTrace<string>();
  addresses.allocate("a", { size: 8, cpu });
  addresses.undoRealloc(addresses.beginRealloc("a"), "a");
  assert.ok(addresses.isAlive("a"));
  addresses.endRealloc(addresses.beginRealloc("a"), "a", { size: 0, cpu });
  assert.ok(addresses.isAlive("a"));
  addresses.endReallocAsFree(addresses.beginRealloc("a"), cpu);
  const { trace, losses } = addresses.build("x");
  assert.equal(traceText(trace), ["malloc 0 8", "free 0", "malloc 0 0", "free 0"]);
  assert.is(losses.failedRequests, 1);
});

test("what was not seen is counted", () => {
  const addresses = new AddressTrace<string>();
  addresses.free("a", cpu);
  addresses.endRealloc(addresses.beginRealloc("b"), "c", { size: 5, cpu });
  addresses.allocate("c", { size: 6, cpu });
  addresses.allocate("d", { size: 2 ** 32, cpu });
  addresses.endRealloc(addresses.beginRealloc("c"), "c", { size: 2 ** 40, cpu });
  addresses.skipLine();
  addresses.fail();
  const { trace, losses } = addresses.build("x");
  assert.equal(traceText(trace), ["malloc 0 5", "free 0", "malloc 0 6", "free 0"]);
  assert.equal(losses, {
    skippedLines: 1,
    failedRequests: 1,
    unknownAddresses: 2,
    unseenFrees: 1,
    oversizedObjects: 2,
  });
});

test("threads beyond the last CPU share those that are there", () => {
  const addresses = new AddressTrace<string>();
  addresses.allocate("a", { size: 8, cpu: 257 });
  addresses.free("a", 255);
  const { trace } = addresses.build("x");
  assert.equal([...trace.cpuOf], [1, 255]);
  assert.is(trace.cpus, 256);
});

test("whatever is done with addresses, the trace is one that a program can have made", () => {
  const address = fc.constantFrom("a", "b", "c", "d");
  const size = fc.nat({ max: 100 });
  const step = fc.tuple(
    fc.constantFrom("allocate", "free", "realloc", "undo", "nothing"),
    address,
    address,
    size,
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const addresses = new AddressTrace<string>();
      for (const [kind, from, to, bytes] of steps) {
        if (kind === "allocate") addresses.allocate(to, { size: bytes, cpu });
        else if (kind === "free") addresses.free(from, cpu);
        else {
          const moving = addresses.beginRealloc(from);
          if (kind === "undo") addresses.undoRealloc(moving, from);
          else if (kind === "nothing") addresses.endReallocAsFree(moving, cpu);
          else addresses.endRealloc(moving, to, { size: bytes, cpu });
        }
      }
      encodeTrace(addresses.build("x").trace);
    }),
  );
});

test.run();
