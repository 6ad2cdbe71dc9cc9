/** Programs, manifest and deviations of the runtime suite name the same cases and rows. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { equal, is, not, ok } from "uvu/assert";
import { deviations, matches } from "../../../../host-tools/conformance/deviations.ts";
import { outsideSteps } from "../../../../host-tools/conformance/runtime/outside-steps.ts";
import { programSource } from "../../../../host-tools/conformance/runtime/program-sources.ts";
import { runtimeSuite } from "../../../../host-tools/conformance/runtime/runtime-suite.ts";
import { symlinkSuite } from "../../../../host-tools/conformance/symlink/symlink-suite.ts";
import type { Outcome } from "../../../../host-tools/conformance/target.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("conformance: the runtime suite's programs");
const steps = outsideSteps(
  (place) => [`${place}/program`],
  () => ({}),
);
const outside = steps.flatMap(({ cases }) => cases);
const inside = runtimeSuite.cases.map(({ id }) => id).filter((id) => !outside.includes(id));
/** Of a table of cases: `"fs.ro": ...`, `{"fs.ro", ...` or `put("fs.ro", ...`. */
const IN_TABLE = /^\s*(?:\{|CASES\.put\()?"?([a-z][a-z0-9]*(?:\.[a-z0-9]+)*)"?(?:[:,] | *:$)/gm;

for (const name of ["program.mjs", "program.c", "program.go", "program.py", "Program.java"]) {
  test(`${name} has every case of the manifest, once`, () => {
    const text = readFileSync(programSource(name), "utf8");
    const found = [...text.matchAll(IN_TABLE)].map(([, id = ""]) => id);
    const known = found.filter((id) => inside.includes(id));
    equal([...known].sort(), [...inside].sort());
  });
}

test("all programs are there, and no file that no row has", () => {
  const folder = join(programSource("program.c"), "..");
  const rows = ["Program.java", "library.c", "library_c.go", "library_none.go", "program.c"];
  const others = ["program.go", "program.mjs", "program.py", "worker.cjs"];
  equal(readdirSync(folder).sort(), [...rows, ...others].sort());
});

test("every deviation is about rows and cases that there are", () => {
  const suites = { runtime: runtimeSuite, symlink: symlinkSuite };
  for (const one of deviations) {
    const { cases, rows } = suites[one.suite as keyof typeof suites];
    for (const pattern of one.cases) {
      ok(
        cases.some(({ id }) => matches(pattern, id)),
        `${one.suite}: no case ${pattern}`,
      );
    }
    for (const pattern of one.rows) {
      ok(
        rows.some(({ id }) => matches(pattern, id)),
        `${one.suite}: no row ${pattern}`,
      );
    }
    not.equal(one.reason, "");
    not.equal(one.source, "");
  }
});

/** A program that ended well and said nothing. */
const silent: Outcome = {
  ...{ exitCode: 0, signal: null, timedOut: false, startedAtMs: 10_000, endedAtMs: 11_000 },
  ...{ stdout: Buffer.of(), stderr: Buffer.of(), stdoutSizeBytes: 0, stderrSizeBytes: 0 },
};

function judged(id: string, outcome: Partial<Outcome>): string | undefined {
  const step = steps.find(({ cases }) => cases.includes(id));
  return step?.judge?.({ ...silent, ...outcome }, [id]).find((one) => one.id === id)?.verdict;
}

test("statuses and signals are judged from outside", () => {
  is(judged("exit.code.7", { exitCode: 7 }), "pass");
  is(judged("exit.code.7", { exitCode: 0 }), "fail");
  is(judged("exit.code.256", { exitCode: 0 }), "pass");
  is(judged("exit.signal", { exitCode: null, signal: "SIGABRT" }), "pass");
  is(judged("exit.signal", { exitCode: 134 }), "fail");
  is(judged("exit.signal", { stdout: Buffer.from("SKIP none\n") }), "skip");
});

test("the clock and the output are judged from outside", () => {
  is(judged("time.wall", { stdout: Buffer.from("NOW 10500\n") }), "pass");
  is(judged("time.wall", { stdout: Buffer.from("NOW 99500\n") }), "fail");
  is(judged("time.wall", {}), "fail");
  is(judged("stdio.err", { stderr: Buffer.from("to standard error\n") }), "pass");
  is(judged("stdio.err", { stdout: Buffer.from("to standard error\n") }), "fail");
  is(judged("stdio.big", { stdoutSizeBytes: 1 << 20 }), "fail");
});

test.run();
