import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import * as assert from "uvu/assert";
import type { SchemeName } from "../../../allocator-model/address-layout.ts";
import { Heap } from "../../../allocator-model/heap.ts";
import { type Replay, replay, TraceRun } from "../../../allocator-model/replay.ts";
import { type Trace, TraceBuilder } from "../../../allocator-model/trace.ts";
import { decodeTrace } from "../../../allocator-model/trace-file.ts";
import { suite } from "../../support/suite.ts";
import { anyTrace } from "./any-trace.ts";

const test = suite("replay", { timeoutMs: 60_000 });

const SCHEMES: readonly SchemeName[] = ["offset-2013", "osv", "proposal"];
const PAGE = 4096;
const tracesFolder = join(import.meta.dirname, "../../../allocator-model/traces");

function traceOf(build: (builder: TraceBuilder) => void): Trace {
  const builder = new TraceBuilder();
  build(builder);
  return builder.build("x");
}

/** So many objects of a size, all freed at the end. */
function objects(count: number, size: number): Trace {
  return traceOf((builder) => {
    for (let id = 0; id < count; id += 1) builder.malloc(id, size);
    for (let id = 0; id < count; id += 1) builder.free(id);
  });
}

test("objects of a page take two pages in the old scheme, and one in the others", () => {
  const footprints = SCHEMES.map(
    (scheme) => replay(objects(100, PAGE), { scheme, heap: { pools: "none" } }).peak,
  );
  assert.equal(
    footprints.map(({ footprintBytes }) => footprintBytes / PAGE),
    [200, 100, 100],
  );
  assert.equal(
    footprints.map(({ otherWasteBytes }) => otherWasteBytes / PAGE),
    [100, 0, 0],
  );
  assert.equal(footprints[2]?.regions, {
    page: { objects: 100, requestedBytes: 100 * PAGE, usableBytes: 100 * PAGE },
  });
});

test("the peak is the first moment of the largest footprint", () => {
  const { peak, end, operations, failed } = replay(objects(50, 2000), { scheme: "proposal" });
  assert.is(peak.operation, 49);
  assert.is(peak.footprintBytes, 25 * PAGE);
  assert.is(peak.objects, 49);
  assert.is(peak.internalWasteBytes, 49 * 48);
  assert.is(end.operation, 100);
  assert.is(end.objects + end.requestedBytes, 0);
  assert.is(operations, 100);
  assert.is(failed, 0);
});

test("alignments, calloc and realloc are asked for as they are in the trace", () => {
  const trace = traceOf((builder) => {
    builder.malloc(0, 3000, 0, 12);
    builder.calloc(1, 100);
    builder.realloc(1, 5000);
    builder.malloc(2, 10, 0, 11);
  });
  const { regions } = replay(trace, { scheme: "proposal" }).end;
  assert.equal(Object.keys(regions).sort(), ["half-page", "large", "page"]);
  assert.is(regions.large?.requestedBytes, 5000);
  assert.is(replay(trace, { scheme: "proposal" }).end.requestedBytes, 8010);
});

test("memory is as large as it has to be, and no larger", () => {
  const { pageCount, failed } = replay(objects(1000, 3 * PAGE), { scheme: "proposal" });
  assert.is(failed, 0);
  assert.is(pageCount, 4096);
  assert.ok(replay(objects(1000, 3 * PAGE), { scheme: "proposal", pageCount: 2048 }).failed > 0);
});

test("what gets no memory is counted, and no more heard of", () => {
  const { failed, end, peak } = replay(objects(100, PAGE), { scheme: "osv", pageCount: 60 });
  assert.is(failed, 40);
  assert.is(peak.objects, 60);
  assert.is(end.objects, 0);
  assert.is(end.freePages + end.cachedPages, 60);
  const grows = traceOf((builder) => {
    builder.malloc(0, PAGE);
    builder.realloc(0, 100 * PAGE);
    builder.realloc(0, 2 * PAGE);
  });
  const small = replay(grows, { scheme: "proposal", pageCount: 8 });
  assert.is(small.failed, 1);
  assert.is(small.end.requestedBytes, 2 * PAGE);
});

test("external fragmentation is the part of free pages outside of the largest range", () => {
  const trace = traceOf((builder) => {
    for (let id = 0; id < 8; id += 1) builder.malloc(id, PAGE);
    for (let id = 0; id < 8; id += 2) builder.free(id);
  });
  const options = { scheme: "proposal", pageCount: 8, heap: { pools: "none" } } as const;
  const { end } = replay(trace, options);
  assert.is(end.freePages, 4);
  assert.is(end.largestFreePages, 1);
  assert.is(end.externalFragmentation, 0.75);
  assert.is(replay(objects(1, PAGE), options).end.externalFragmentation, 0);
});

test("there are at most a thousand samples of the footprint, at equal distances", () => {
  const few = replay(objects(5, 64), { scheme: "osv" }).samples;
  assert.equal(
    few.map(({ operation }) => operation),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  );
  assert.equal(
    few.map(({ requestedBytes }) => requestedBytes / 64),
    [1, 2, 3, 4, 5, 4, 3, 2, 1, 0],
  );
  const many = replay(objects(2001, 64), { scheme: "osv" }).samples;
  assert.is(many.length, 800);
  assert.is(many[799]?.operation, 4000);
});

test("threads share CPUs when there are fewer", () => {
  const trace = traceOf((builder) => {
    for (let id = 0; id < 8; id += 1) builder.malloc(id, 64, id);
  });
  const pools = "none";
  const wide = replay(trace, { scheme: "proposal", heap: { pools } });
  const narrow = replay(trace, { scheme: "proposal", cpus: 2, heap: { pools } });
  assert.equal([wide.cpus, wide.peak.footprintBytes], [8, 8 * PAGE]);
  assert.equal([narrow.cpus, narrow.peak.footprintBytes], [2, 2 * PAGE]);
});

test("a replay can be stopped and looked at", () => {
  const trace = objects(10, 1500);
  const run = new TraceRun(trace, new Heap({ scheme: "proposal", pageCount: 64 }), 1);
  run.advance(7);
  assert.is(run.operation, 7);
  assert.is(run.figures().objects, 7);
  assert.is(run.figures().operation, 7);
  run.advance(1000);
  assert.is(run.operation, 20);
  assert.equal(run.heap.checkInvariants(), []);
});

function checkFigures({ peak, end, pageCount }: Replay, trace: Trace): void {
  for (const figures of [peak, end]) {
    const { requestedBytes, internalWasteBytes, otherWasteBytes, footprintBytes } = figures;
    assert.is(requestedBytes + internalWasteBytes + otherWasteBytes, footprintBytes);
    assert.ok(internalWasteBytes >= 0 && otherWasteBytes >= 0);
    assert.is(footprintBytes / PAGE + figures.cachedPages + figures.freePages, pageCount);
    assert.ok(figures.largestFreePages <= figures.freePages);
  }
  assert.ok(peak.footprintBytes >= end.footprintBytes);
  assert.is(end.operation, trace.length);
}

test("all bytes of the footprint are accounted for, whatever the trace", () => {
  fc.assert(
    fc.property(anyTrace, fc.constantFrom(...SCHEMES), (trace, scheme) => {
      const done = replay(trace, { scheme });
      assert.is(done.failed, 0);
      checkFigures(done, trace);
    }),
  );
});

test("the recorded traces are replayed: no scheme fails, the proposal takes least", async () => {
  const names = (await readdir(tracesFolder)).filter((name) => name.endsWith(".wlat"));
  assert.ok(names.length >= 2);
  for (const name of names) {
    const trace = decodeTrace(await readFile(join(tracesFolder, name)), name);
    const footprints = SCHEMES.map((scheme) => {
      const done = replay(trace, { scheme });
      assert.is(done.failed, 0);
      checkFigures(done, trace);
      return done.peak.footprintBytes;
    });
    const [old = 0, osv = 0, proposal = 0] = footprints;
    assert.ok(proposal <= osv && osv < old, `${name}: ${footprints.join(", ")}`);
  }
});

test.run();
