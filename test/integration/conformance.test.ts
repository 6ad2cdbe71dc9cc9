/**
 * The conformance suites in a guest: every verdict is as expected. One machine is booted, and a copy of it takes
 * half of the work. Left out for their time on an emulated CPU: Node's 64 threads, a V8 each, some ends of slow
 * starters, and of the symlink suite all but its rules, on two file systems. `windlass conformance run --on IMAGE`
 * asks everything.
 */
import * as assert from "uvu/assert";
import { openInstanceTarget } from "../../host-tools/conformance/guest-target.ts";
import { type RowReport, tallyOf } from "../../host-tools/conformance/report.ts";
import { runSuite } from "../../host-tools/conformance/runner.ts";
import { runtimeSuite } from "../../host-tools/conformance/runtime/runtime-suite.ts";
import type { Suite } from "../../host-tools/conformance/suite.ts";
import { symlinkSuite } from "../../host-tools/conformance/symlink/symlink-suite.ts";
import type { Target } from "../../host-tools/conformance/target.ts";
import { findTool } from "../../image-builder/runtimes/toolchain.ts";
import { machineSuite, type Rig } from "../support/rig.ts";

/** What rows are made with, beside gcc and openssl, which all are. */
const TOOLS: Readonly<Record<string, string>> = {
  ...{ go: "go", "go-cgo": "go", python: "python3", java: "javac" },
};
/** Large files to bring there, and slow to start: a half of the work. */
const HEAVY_ROWS = ["python", "java"];
const LINK_ROWS = ["tmpfs", "erofs"];

const lacks = (program: string) => (findTool({ program }) ? undefined : `${program} is missing`);
const rows = runtimeSuite.rows.map(({ id }) => id);
const wanted = rows.filter((id) => lacks(TOOLS[id] ?? "gcc") === undefined);
let rig: Rig;
let reports: readonly RowReport[] = [];

const test = await machineSuite("conformance in a guest", {
  missing: lacks("gcc") ?? lacks("openssl"),
  async setup(newRig, { signal }) {
    rig = newRig;
    await rig.build("hello-http", { name: "hello" });
    const options = { memoryMib: 1024, vcpuCount: 2, scratch: { sizeMib: 64 } };
    const { instance } = await rig.boot({ image: "hello", ...options });
    await using machine = await openInstanceTarget(instance.record.id, rig.instances);
    await using copy = await machine.fork({ signal });
    const halves = [lightHalf(machine, signal), heavyHalf(copy, signal)];
    reports = (await Promise.all(halves)).flat();
  },
});

/** What these rows are not asked here: slow on an emulated CPU, or an end that other rows show by the same path. */
function suiteBut(...left: readonly string[]): Suite {
  return { ...runtimeSuite, cases: runtimeSuite.cases.filter(({ id }) => !left.includes(id)) };
}

async function lightHalf(target: Target, signal: AbortSignal): Promise<readonly RowReport[]> {
  const others = wanted.filter((id) => id !== "node" && !HEAVY_ROWS.includes(id));
  const links = { rows: LINK_ROWS, cases: ["S*", "R*"] };
  const found = [
    // First: its rows have copies of the machine, files and all.
    await runSuite({ ...links, target, suite: symlinkSuite, signal }),
    await runSuite({ target, suite: suiteBut("thread.create"), rows: ["node"], signal }),
    await runSuite({ target, suite: runtimeSuite, rows: others, signal }),
  ];
  return found.flatMap((report) => report.rows);
}

async function heavyHalf(target: Target, signal: AbortSignal): Promise<readonly RowReport[]> {
  const heavy = wanted.filter((id) => HEAVY_ROWS.includes(id));
  const some = suiteBut("exit.code.255", "exit.code.256");
  return (await runSuite({ target, suite: some, rows: heavy, signal })).rows;
}

function rowAsExpected(id: string, passMin: number): void {
  const [report, ...others] = reports.filter((one) => one.id === id);
  assert.ok(report && others.length === 0, "no report, or several");
  const wrong = report.results.filter(({ isExpected }) => !isExpected);
  assert.equal(
    [...report.problems, ...wrong.map((one) => `${one.id}: ${one.verdict}: ${one.detail}`)],
    [],
  );
  const { pass } = tallyOf([report]);
  assert.ok(pass >= passMin, `${pass} passed`);
}

for (const id of rows) {
  const name = `a program of the row ${id} finds what it may expect`;
  const reason = lacks(TOOLS[id] ?? "gcc");
  if (reason !== undefined) test.skip(reason, name);
  else test(name, () => rowAsExpected(id, 50));
}

for (const id of LINK_ROWS) {
  test(`symbolic links follow their rules on ${id}`, () =>
    rowAsExpected(id, id === "erofs" ? 20 : 100));
}

test.run();
