/** Which targets are run, and what is left when one of them goes. */

import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import * as assert from "uvu/assert";
import type { OptionsOf } from "../../../../host-tools/cli/command-table.ts";
import { execute } from "../../../../host-tools/cli/commands/conformance-run.ts";
import { createOutput } from "../../../../host-tools/cli/output.ts";
import { namedTargets } from "../../../../host-tools/conformance/named-targets.ts";
import { runTargets } from "../../../../host-tools/conformance/run-targets.ts";
import { runSuite } from "../../../../host-tools/conformance/runner.ts";
import type { Row, Suite } from "../../../../host-tools/conformance/suite.ts";
import type { Target } from "../../../../host-tools/conformance/target.ts";
import { HostError } from "../../../../host-tools/errors.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("conformance: several targets");

function target(name: string, lostAt?: string): Target {
  let row = 0;
  const run: Target["run"] = async () => {
    if (lostAt !== undefined && String(++row) === lostAt) {
      throw new HostError("WL_GUEST_UNREACHABLE", "The guest is gone");
    }
    const stdout = Buffer.from("CASE a PASS\nSUMMARY 1 1 0 0\n");
    const end = { exitCode: 0, signal: null, timedOut: false, startedAtMs: 0, endedAtMs: 0 };
    const none = { stderr: Buffer.alloc(0), stderrSizeBytes: 0 };
    return { ...end, ...none, stdout, stdoutSizeBytes: stdout.length };
  };
  return {
    ...{ kind: "linux", name, nodePath: "/node", hostAddress: "127.0.0.1", cpuCount: 1, run },
    put: async () => "/place",
    fork: async () => target(name),
    async [Symbol.asyncDispose]() {},
  };
}

const rowOf = (id: string): Row => ({
  ...{ id, title: id },
  prepare: async () => ({
    ...{ kind: "ready", files: "/files" },
    steps: [{ cases: ["a"], argv: () => ["/program"] }],
  }),
});
const one: Suite = {
  ...{ name: "s", summary: "S", cases: [{ id: "a", title: "a" }] },
  rows: ["first", "second", "third"].map(rowOf),
};
const named = (name: string, open: () => Promise<Target>) => ({ name, open });

test("a target that is lost leaves its rows until then, and the next one is run", async () => {
  const errors: unknown[] = [];
  const { reports, isWhole } = await runTargets({
    targets: [
      named("cannot", () => Promise.reject(new HostError("WL_GUEST_UNREACHABLE", "It is off"))),
      named("dies", async () => target("dies", "2")),
      named("lives", async () => target("lives")),
    ],
    suites: [one, one],
    runOne: (some, where) => runSuite({ suite: some, target: where }),
    onLost: (error) => errors.push(error),
  });
  assert.is(isWhole, false);
  assert.equal(errors.map(String), ["HostError: It is off"]);
  assert.equal(
    reports.map((report) => [report.target.name, report.rows.map(({ id }) => id), report.lost]),
    [
      ["dies", ["first", "second"], "The guest is gone"],
      ["lives", ["first", "second", "third"], undefined],
      ["lives", ["first", "second", "third"], undefined],
    ],
  );
  assert.equal(reports[0]?.rows[1]?.problems, ["The guest is gone"]);
});

test("an interrupted run is none", async () => {
  const stop = new AbortController();
  const running = runTargets({
    ...{ suites: [one], signal: stop.signal, onLost: () => {} },
    targets: [named("a", async () => target("a"))],
    runOne: () => {
      stop.abort(new Error("enough"));
      return Promise.reject(stop.signal.reason);
    },
  });
  assert.match(String(await running.catch((cause: unknown) => cause)), /enough/);
});

type RunOptions = OptionsOf<"conformance run">;

/** What is printed, on both outputs, and the error that ended it. */
async function conformanceRun(options: Partial<RunOptions>): Promise<[string, unknown]> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const output = createOutput({ stdout, stderr }, () => undefined);
  const { signal } = new AbortController();
  const never = (): void => {};
  const none = { memory: undefined, cpus: undefined, accelerator: undefined, output: undefined };
  const choice = { format: undefined, json: false, verbose: false, quiet: false };
  const error = await execute({
    options: { ...none, ...choice, on: [], case: [], row: [], ...options },
    ...{ operands: ["symlink"], output, report: never, signal, urgent: signal, abort: never },
  }).catch((cause: unknown) => cause);
  return [`${await text(stdout.end())}${await text(stderr.end())}`, error];
}

test("a name that nothing has is refused before anything is run", async () => {
  const [printed, error] = await conformanceRun({ on: ["host", "no-such-name"], row: ["erofs"] });
  assert.is(printed, "");
  assert.match(String(error), '"no-such-name" is no instance and no image');
  const [first] = await namedTargets(["host"], { memoryMib: 1, vcpuCount: 1 });
  assert.is(first?.name, "host");
});

test("--json is --format json, and no other", async () => {
  const [, error] = await conformanceRun({ json: true, format: "junit" });
  assert.match(String(error), "--json is --format json");
});

/** Whatever the verdict: the row needs what the build makes, which unit tests do without. */
test("--json prints JSON", async () => {
  const [printed] = await conformanceRun({
    ...{ json: true, quiet: true, row: ["tmpfs"], case: ["S1.1"] },
  });
  const [report] = JSON.parse(printed);
  assert.equal(
    report.cases.map(({ id }: { id: string }) => id),
    ["S1.1"],
  );
});

test.run();
