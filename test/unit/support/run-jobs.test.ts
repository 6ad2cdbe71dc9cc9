/** What a test process printed is read: a process that broke off must never count as passed. */
import * as assert from "uvu/assert";
import { readJob } from "../../support/run-jobs.ts";
import { suite } from "../../support/suite.ts";

const test = suite("test processes");

test("a tally is read and not shown", () => {
  const { shown, tally } = readJob({ stdout: "a • \n3 passed, 0 failed\n", stderr: "", end: 0 });
  assert.is(shown, "a • \n");
  assert.equal(tally, { passed: 3, failed: 0, skipped: 0, complete: true });
});

test("failures and skips are counted", () => {
  const output = { stdout: "3 passed, 2 failed, 1 skipped\n", stderr: "why\n", end: 1 };
  const { shown, tally } = readJob(output);
  assert.is(shown, "why\n");
  assert.equal(tally, { passed: 3, failed: 2, skipped: 1, complete: true });
});

test("a process that breaks off is a failed test", () => {
  const broken = { passed: 0, failed: 1, skipped: 0, complete: false };
  for (const stdout of ["", "a • ", "3 passed, 0 failed\nand then", "3 passed, 0 failed"]) {
    assert.equal(readJob({ stdout, stderr: "", end: "SIGKILL" }).tally, broken, stdout);
  }
});

test("a process that fails without a failed test is one", () => {
  const { tally } = readJob({ stdout: "0 passed, 0 failed\n", stderr: "no test ran\n", end: 1 });
  assert.equal(tally, { passed: 0, failed: 1, skipped: 0, complete: false });
});

test.run();
