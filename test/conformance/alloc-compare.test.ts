/** `windlass alloc compare`, with the allocators of this host. */
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import * as assert from "uvu/assert";
import { type Comparison, openComparer } from "../../host-tools/allocator/comparison.ts";
import { suite } from "../support/suite.ts";

const MAIN = resolve(import.meta.dirname, "../../host-tools/cli/main.ts");
const TSX = import.meta.resolve("tsx");

const test = suite("alloc compare", { timeoutMs: 60_000 });

function compare(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const words = ["--import", TSX, MAIN, "alloc", "compare", ...args];
  return spawnSync(process.execPath, words, { encoding: "utf8" });
}

test("lists the workloads", () => {
  const { status, stdout } = compare("--list");
  assert.is(status, 0);
  assert.match(stdout, /^WORKLOAD +DESCRIPTION\nlarson +A server's blocks/);
});

test("has a row for every scheme and every allocator, also for those that are not here", () => {
  const { status, stdout, stderr } = compare("--json", "workload:lifetimes-1-8k");
  assert.is(status, 0, stderr);
  const [comparison] = JSON.parse(stdout) as [Comparison];
  const names = ["offset-2013", "osv", "proposal", "glibc", "jemalloc", "tcmalloc", "mimalloc"];
  const { rows, requestedBytes } = comparison;
  assert.equal(
    rows.map(({ allocator }) => allocator),
    names,
  );
  for (const row of rows) {
    if ("missingPackage" in row) assert.match(row.missingPackage, /^lib/);
    else assert.ok(row.footprintBytes > requestedBytes, JSON.stringify(row));
  }
});

test("schemes alone need no compiler", async () => {
  const path = process.env["PATH"];
  process.env["PATH"] = "/nowhere";
  try {
    await using comparer = await openComparer({ allocators: ["osv"] });
    assert.type(comparer.compare, "function");
  } finally {
    process.env["PATH"] = path;
  }
});

test("no trace, or an unknown allocator, is a mistake of usage", () => {
  for (const [args, message] of [
    [[], "needs a trace or a workload"],
    [["--allocators", "osv,ptmalloc", "workload:larson"], 'There is no allocator "ptmalloc"'],
  ] as const) {
    const { status, stderr } = compare(...args);
    assert.is(status, 2);
    assert.match(stderr, message);
  }
});

test.run();
