/**
 * The conformance suites in a guest: every verdict is as expected. One machine is booted, and copies of it share
 * the work. Left out for their time on an emulated CPU: Node's 64 threads, a V8 each, and of the symlink suite all
 * but its rules, on two file systems. `windlass conformance run --on IMAGE` asks everything.
 */
import * as assert from "uvu/assert";
import { openInstanceTarget } from "../../host-tools/conformance/guest-target.ts";
import { type RowReport, tallyOf } from "../../host-tools/conformance/report.ts";
import { type RunRequest, runSuite } from "../../host-tools/conformance/runner.ts";
import { runtimeSuite } from "../../host-tools/conformance/runtime/runtime-suite.ts";
import { symlinkSuite } from "../../host-tools/conformance/symlink/symlink-suite.ts";
import type { Target } from "../../host-tools/conformance/target.ts";
import { findTool } from "../../image-builder/runtimes/toolchain.ts";
import { bootMissing, machineRig, type Rig } from "../support/rig.ts";
import { suite } from "../support/suite.ts";

/** What rows are made with, beside gcc and openssl, which all are. */
const TOOLS: Readonly<Record<string, string>> = {
  ...{ go: "go", "go-cgo": "go", python: "python3", java: "javac" },
};
const HEAVY_ROWS = ["python", "java"];

const lacks = (program: string) => (findTool({ program }) ? undefined : `${program} is missing`);
const missing = (await bootMissing()) ?? lacks("gcc") ?? lacks("openssl");
let rig: Rig;
let machine: Target;

const test = suite("conformance in a guest", {
  timeoutMs: 300_000,
  ...(missing === undefined && {
    async setup() {
      rig = await machineRig();
      await rig.build("hello-http", { name: "hello" });
      const options = { memoryMib: 1024, vcpuCount: 1, scratch: { sizeMib: 64 } };
      const { instance } = await rig.boot({ image: "hello", ...options });
      machine = await openInstanceTarget(instance.record.id, rig.instances);
    },
    async teardown() {
      await machine?.[Symbol.asyncDispose]();
      await rig?.[Symbol.asyncDispose]();
    },
  }),
});

/** On a copy of the machine. */
async function run(request: Omit<RunRequest, "target">): Promise<readonly RowReport[]> {
  await using target = await machine.fork(request);
  return (await runSuite({ ...request, target })).rows;
}

function allExpected(rows: readonly RowReport[]): void {
  const wrong = rows.flatMap(({ id, results, problems }) => [
    ...problems.map((problem) => `${id}: ${problem}`),
    ...results
      .filter(({ isExpected }) => !isExpected)
      .map((one) => `${id} ${one.id}: ${one.verdict}: ${one.detail}`),
  ]);
  assert.equal(wrong, []);
}

if (missing === undefined) {
  const rows = runtimeSuite.rows.map(({ id }) => id);
  const wanted = rows.filter((id) => {
    const reason = lacks(TOOLS[id] ?? "gcc");
    if (reason !== undefined) test.skip(reason, `programs of the row ${id}`);
    return reason === undefined;
  });

  test("programs of each runtime find what they may expect", async ({ signal }) => {
    const few = runtimeSuite.cases.filter(({ id }) => id !== "thread.create");
    const others = wanted.filter((id) => id !== "node" && !HEAVY_ROWS.includes(id));
    const heavy = wanted.filter((id) => HEAVY_ROWS.includes(id));
    // Two machines of one CPU each.
    const light = async () => [
      ...(await run({ suite: { ...runtimeSuite, cases: few }, rows: ["node"], signal })),
      ...(await run({ suite: runtimeSuite, rows: others, signal })),
    ];
    const both = await Promise.all([light(), run({ suite: runtimeSuite, rows: heavy, signal })]);
    const found = both.flat();
    allExpected(found);
    assert.equal(found.map(({ id }) => id).sort(), [...wanted].sort());
    assert.ok(tallyOf(found).pass > 50 * found.length, `${tallyOf(found).pass} passed`);
  });

  test("symbolic links follow their rules, where can be written and where not", async ({
    signal,
  }) => {
    const rows = ["tmpfs", "erofs"];
    const { rows: found } = await runSuite({
      ...{ suite: symlinkSuite, target: machine, rows, cases: ["S*", "R*"], signal },
    });
    allExpected(found);
    assert.ok(tallyOf(found).pass > 100, `${tallyOf(found).pass} passed`);
  });
} else {
  test.skip(missing, "the suites");
}

test.run();
