import * as assert from "uvu/assert";
import { Heap } from "../../../../allocator-model/heap.ts";
import { HistoryReader } from "../../../../allocator-model/map/page-history.ts";
import { equalSteps, recordHistory } from "../../../../allocator-model/map/recording.ts";
import { TraceRun } from "../../../../allocator-model/replay.ts";
import { type Trace, TraceBuilder } from "../../../../allocator-model/trace.ts";
import { workloads } from "../../../../allocator-model/workloads/workloads.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("recording of a map");

/** An object of each region, then all are freed, but for the half page. */
function allRegions(): Trace {
  const builder = new TraceBuilder();
  const sizes = [100, 2048, 4096, 20_000];
  for (const [id, size] of sizes.entries()) builder.malloc(id, size);
  for (const id of [0, 2, 3]) builder.free(id);
  return builder.build("all regions");
}

test("the owners and figures of each sample are those of the heap at that time", () => {
  const trace = workloads["mstress"]?.make({ scale: 0.05 });
  if (!trace) throw new Error("no mstress");
  for (const scheme of ["offset-2013", "osv", "proposal"] as const) {
    const at = equalSteps(trace.length, 7);
    const { history, failed } = recordHistory(trace, { scheme, at });
    assert.is(failed, 0);
    const reader = new HistoryReader(history);
    const { pageCount } = history;
    for (const [sample, operations] of at.entries()) {
      const heap = new Heap({ scheme, pageCount, cpus: trace.cpus });
      const run = new TraceRun(trace, heap, trace.cpus);
      run.advance(operations);
      const { requestedBytes, usableBytes, footprintBytes } = run.figures();
      reader.seek(sample);
      assert.ok(Buffer.compare(reader.codes, heap.owners.codes) === 0, `${scheme} ${operations}`);
      const { pages, ...figures } = history.samples[sample] ?? { pages: [] };
      assert.equal(figures, { operations, requestedBytes, usableBytes, footprintBytes });
      const used = pages.slice(2).reduce((sum, count) => sum + count, 0);
      assert.is(used * 4096, footprintBytes);
    }
  }
});

test("every region shows", () => {
  const trace = allRegions();
  const { history } = recordHistory(trace, { scheme: "proposal", at: [0, 4, 7], pageCount: 64 });
  const [none, all, end] = history.samples.map(({ pages }) => pages.slice(2));
  assert.equal(none, [0, 0, 0, 0, 0, 0]);
  assert.equal(all, [1, 1, 1, 5, 0, 0]);
  // An empty page of small objects is kept for the next ones.
  assert.equal(end, [1, 1, 0, 0, 0, 0]);
});

test("memory that nobody gave a size is as large as the whole trace needs it", () => {
  const trace = allRegions();
  const first = recordHistory(trace, { scheme: "proposal", at: [1] });
  const last = recordHistory(trace, { scheme: "proposal", at: [7] });
  assert.is(first.history.pageCount, last.history.pageCount);
});

test("requests that memory is too small for are counted", () => {
  const { failed } = recordHistory(allRegions(), { scheme: "proposal", at: [7], pageCount: 6 });
  assert.is(failed, 1);
});

test("steps are at equal distances, with the begin and the end, each once", () => {
  assert.equal(equalSteps(100, 4), [0, 25, 50, 75, 100]);
  assert.equal(equalSteps(3, 10), [0, 1, 2, 3]);
  assert.equal(equalSteps(0, 10), [0]);
});

test.run();
