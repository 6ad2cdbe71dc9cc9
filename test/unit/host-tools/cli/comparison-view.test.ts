import * as assert from "uvu/assert";
import type { AllocatorFigures, Comparison } from "../../../../host-tools/allocator/comparison.ts";
import { comparisonText } from "../../../../host-tools/cli/comparison-view.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("cli/comparison-view");

const MIB = 2 ** 20;
const MODEL: AllocatorFigures = {
  allocator: "proposal",
  kind: "model",
  footprintBytes: 3 * MIB,
  internalWasteBytes: 1024,
  otherWasteBytes: 0,
  externalFragmentation: 0.125,
  elapsedMs: 12,
};
const COMPARISON: Comparison = {
  trace: "t.wlat",
  operations: 9,
  cpus: 1,
  requestedBytes: 2 * MIB,
  rows: [MODEL],
};

test("shows the footprint in bytes and as a multiple of what was requested", () => {
  assert.is(
    comparisonText(COMPARISON),
    `t.wlat: 9 operations; 1 CPU; at most 2.0 MiB requested at a time

ALLOCATOR   FOOTPRINT   OF REQUESTED   INTERNAL   OTHER   EXTERNAL   TIME
proposal    3.0 MiB     1.50           1.0 KiB    0 B     12.5%      12 ms
`,
  );
});

test("an allocator that is not here is a row with the command that installs it", () => {
  const rows = [MODEL, { allocator: "jemalloc", missingPackage: "libjemalloc2" } as const];
  const text = comparisonText({ ...COMPARISON, cpus: 4, rows });
  assert.match(text, "; 4 CPUs; ");
  assert.match(text, / {3}TIME {4}NOTE\n/);
  assert.match(text, /\njemalloc .*- +not here: apt-get install libjemalloc2\n$/);
});

test("what was never known is a dash", () => {
  const { externalFragmentation: _, ...native } = MODEL;
  const text = comparisonText({ ...COMPARISON, requestedBytes: 0, rows: [native] });
  assert.match(text, /3\.0 MiB {5}- {14}1\.0 KiB {4}0 B {5}- {10}12 ms/);
});

test.run();
