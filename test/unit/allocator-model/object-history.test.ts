import fc from "fast-check";
import * as assert from "uvu/assert";
import { Heap } from "../../../allocator-model/heap.ts";
import { followPlaces } from "../../../allocator-model/object-history.ts";
import { TraceRun } from "../../../allocator-model/replay.ts";
import { FREE, type Trace, TraceBuilder } from "../../../allocator-model/trace.ts";
import { suite } from "../../support/suite.ts";
import { anyTrace } from "./any-trace.ts";

const test = suite("object history");
const AREA_MASK = (1n << 44n) - 1n;

function runOf(trace: Trace, pageCount = 256): TraceRun {
  const { cpus } = trace;
  return new TraceRun(trace, new Heap({ scheme: "proposal", pageCount, cpus }), cpus);
}

test("the last object at a place: who made it, who freed it, and who came after", () => {
  const builder = new TraceBuilder();
  builder.malloc(0, 2000, 1);
  builder.free(0, 0);
  builder.malloc(1, 1100, 1);
  const trace = builder.build("three");
  const first = runOf(trace);
  first.advance(1);
  const address = first.addressOf(0) ?? 0n;
  const at = Number(address & AREA_MASK);
  const last = (end: number, place = at) => followPlaces(trace, runOf(trace), end, [place])[0];
  assert.is(last(0), undefined);
  const made = { id: 0, address, requestedBytes: 2000, usableBytes: 2048, made: 1, madeOn: 1 };
  assert.equal(last(1), made);
  assert.equal(last(1, at + 2047), made);
  assert.is(last(1, at + 2048), undefined);
  assert.equal(last(2), { ...made, freed: 2, freedOn: 0 });
});

test("a realloc frees one place and takes another; one that fails changes nothing", () => {
  const builder = new TraceBuilder();
  builder.malloc(0, 100);
  builder.realloc(0, 3000);
  builder.realloc(0, 2 ** 31);
  const trace = builder.build("moved");
  const run = runOf(trace);
  run.advance(1);
  const small = Number((run.addressOf(0) ?? 0n) & AREA_MASK);
  run.advance(2);
  const page = Number((run.addressOf(0) ?? 0n) & AREA_MASK);
  const [before, after] = followPlaces(trace, runOf(trace), 3, [small, page]);
  assert.equal([before?.made, before?.freed], [1, 2]);
  assert.equal([after?.made, after?.freed, after?.requestedBytes], [2, undefined, 3000]);
});

test("at any time: of each live object, and of nothing else, it is known that it is there", () => {
  fc.assert(
    fc.property(anyTrace, fc.double({ min: 0, max: 1, noNaN: true }), (trace, share) => {
      const end = Math.floor(trace.length * share);
      const reference = runOf(trace);
      reference.advance(end);
      const places: number[] = [];
      const ids: number[] = [];
      for (const id of new Set(trace.ids)) {
        const address = reference.addressOf(id);
        if (address === undefined) continue;
        ids.push(id);
        places.push(Number(address & AREA_MASK));
      }
      const run = runOf(trace);
      const found = followPlaces(trace, run, end, places);
      assert.is(run.operation, end);
      assert.equal(
        found.map((one) => [one?.id, one?.freed]),
        ids.map((id) => [id, undefined]),
      );
      for (const one of found) assert.is.not(trace.operations[(one?.made ?? 0) - 1], FREE);
    }),
    { numRuns: 60 },
  );
});

test.run();
