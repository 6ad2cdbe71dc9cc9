import { equal, is, match } from "uvu/assert";
import {
  type Deviation,
  deviationAt,
  isExpected,
  matches,
} from "../../../../host-tools/conformance/deviations.ts";
import { matrixHtml } from "../../../../host-tools/conformance/matrix-html.ts";
import { matrixJunit } from "../../../../host-tools/conformance/matrix-junit.ts";
import { matrixText } from "../../../../host-tools/conformance/matrix-text.ts";
import {
  caseResult,
  type SuiteReport,
  tallyOf,
} from "../../../../host-tools/conformance/report.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("conformance: what is expected, and the matrix");

const deviation: Deviation = {
  ...{ suite: "s", target: "*", rows: ["c-*"], cases: ["tls.*"], verdict: "skip" },
  ...{ reason: "no TLS <here>", source: "a book" },
};
const place = { suite: "s", target: "host", row: "c-static" };
const said = (id: string, verdict: "pass" | "fail" | "skip") =>
  caseResult(place, { id, verdict, detail: `of ${id}` }, [deviation]);

const report: SuiteReport = {
  suite: "s",
  target: { kind: "host", name: "host" },
  cases: ["a", "tls.client", "b"].map((id) => ({ id, title: `<${id}>` })),
  rows: [
    {
      ...{ id: "c-static", title: "C", problems: [], durationMs: 1500 },
      results: [said("a", "pass"), said("tls.client", "skip"), said("b", "fail")],
    },
  ],
};

test("a star stands for any text", () => {
  equal(
    ["a*c", "*", "a*b*c", "ac*", "b"].map((pattern) => matches(pattern, "abc")),
    [true, true, true, false, false],
  );
  is(matches("ab*ba", "aba"), false);
});

test("a deviation is expected, also against a pass that is no longer one", () => {
  is(deviationAt({ ...place, case: "tls.client" }, [deviation]), deviation);
  is(deviationAt({ ...place, row: "go", case: "tls.client" }, [deviation]), undefined);
  is(isExpected("skip", deviation), true);
  is(isExpected("pass", deviation), false);
  is(isExpected("pass", { ...deviation, sometimes: true }), true);
  is(isExpected("missing", deviation), false);
  is(isExpected("fail", undefined), false);
});

test("counts what is not as expected", () => {
  equal(tallyOf(report.rows), { pass: 1, fail: 1, skip: 1, missing: 0, unexpected: 1 });
});

test("text says what failed and why something else was expected", () => {
  const text = matrixText([report]);
  match(text, "b           FAIL");
  match(text, "tls.client  skip*");
  match(text, "c-static b: fail: of b");
  match(text, "no TLS <here> (a book)");
});

/** `count` cases of S1, as a row of a long suite has them. */
function longReport(target: string, verdict: "pass" | "skip", count = 200): SuiteReport {
  const ids = [...Array(count).keys()].map((index) => `S1.${index}`);
  const explained = { ...deviation, cases: ["S*"] };
  const at = { ...place, target };
  return {
    ...{ suite: "s", target: { kind: target, name: target } },
    cases: ids.map((id) => ({ id, title: id })),
    rows: [
      {
        ...{ id: "c-static", title: "C", problems: [], durationMs: 1 },
        results: ids.map((id, index) =>
          caseResult(
            at,
            { id, verdict: index < 10 ? "fail" : verdict, detail: "" },
            verdict === "skip" ? [explained] : [],
          ),
        ),
      },
    ],
  };
}

test("a long suite is groups with counts, its failures, and the deviations' own patterns", () => {
  const text = matrixText([longReport("host", "skip")]);
  match(text, "\nS1    10 FAIL 190 skip*\n");
  match(text, "c-static S1.9: fail, skip is expected\n");
  match(text, "    c-static: 190 skip of S*\n");
  is(text.includes("S1.10"), false);
  match(matrixText([longReport("host", "skip")], { isVerbose: true }), "S1.198, S1.199\n");
});

test("targets stand side by side, and what they do not agree on is listed", () => {
  const text = matrixText([longReport("host", "skip"), longReport("linux", "pass")]);
  match(text, "CASE  C-STATIC@HOST      C-STATIC@LINUX\n");
  match(text, "S1    10 FAIL 190 skip*  10 FAIL 190 pass\n");
  match(text, "  c-static: skip on host, pass on linux: 190 cases of S1\n");
  const few = matrixText([longReport("host", "skip", 11), longReport("linux", "pass", 11)]);
  match(few, "  c-static: skip on host, pass on linux: S1.10\n");
});

test("that a guest is what the host is can be read", () => {
  const text = matrixText([longReport("host", "pass"), longReport("linux", "pass")]);
  match(text, "\nThe same on every target: 200 cases in each of c-static\n");
});

test("JUnit has failures and skips, and is escaped", () => {
  const text = matrixJunit([report]);
  match(text, '<testsuites name="windlass" tests="3" failures="1" time="1.500">');
  match(text, '<failure message="fail: of b"/>');
  match(text, "no TLS &lt;here&gt;");
});

test("HTML is escaped", () => {
  const text = matrixHtml([report]);
  match(text, "<td>&lt;tls.client&gt;</td>");
  match(text, '<td class="unexpected" title="of b">fail</td>');
});

test.run();
