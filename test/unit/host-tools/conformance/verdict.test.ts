import { equal, is } from "uvu/assert";
import { readReport } from "../../../../host-tools/conformance/verdict.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("conformance: verdicts of a program");

test("reads cases and agrees with the summary", () => {
  const report = readReport(
    "CASE a.b PASS\nwords of its own\nCASE c FAIL line 3: x\nCASE d SKIP none\nSUMMARY 3 1 1 1\n",
  );
  equal(report.problems, []);
  equal(report.verdicts, [
    { id: "a.b", verdict: "pass", detail: "" },
    { id: "c", verdict: "fail", detail: "line 3: x" },
    { id: "d", verdict: "skip", detail: "none" },
  ]);
});

test("a summary that is missing, wrong or not last is a problem", () => {
  is(readReport("CASE a PASS\n").problems.length, 1);
  is(readReport("CASE a PASS\nSUMMARY 2 2 0 0\n").problems.length, 1);
  is(readReport("SUMMARY 0 0 0 0\nCASE a PASS\n").problems.length, 2);
});

test("a case that is reported twice, or not as a case, is a problem", () => {
  const report = readReport("CASE a PASS\nCASE a FAIL\nCASE b MAYBE\nSUMMARY 1 1 0 0\n");
  is(report.problems.length, 2);
  equal(report.verdicts, [{ id: "a", verdict: "pass", detail: "" }]);
});

test("details are bounded and cannot do anything to a terminal", () => {
  const { verdicts } = readReport(`CASE a FAIL \x1b[31m${"x".repeat(5000)}\nSUMMARY 1 0 1 0\n`);
  const [{ detail } = { detail: "" }] = verdicts;
  is(detail.length, 400);
  is(detail.includes("\x1b"), false);
});

test.run();
