/** The verdicts as JUnit XML, as CI servers read it: a test suite for each row, a test case for each case. */
import { escapeMarkup } from "./markup.ts";
import { type CaseResult, type RowReport, type SuiteReport, tallyOf } from "./report.ts";

export function matrixJunit(reports: readonly SuiteReport[]): string {
  const rows = reports.flatMap((report) => report.rows);
  const total = rows.reduce((sum, row) => sum + row.results.length + row.problems.length, 0);
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="windlass" tests="${total}" failures="${tallyOf(rows).unexpected}" time="${seconds(rows)}">`,
    ...reports.flatMap((report) => report.rows.flatMap((row) => rowLines(report, row))),
    "</testsuites>",
  ];
  return `${lines.join("\n")}\n`;
}

function rowLines(report: SuiteReport, row: RowReport): string[] {
  const name = `${report.suite}.${row.id}@${report.target.name}`;
  const { unexpected } = tallyOf([row]);
  const skipped = row.results.filter((one) => one.isExpected && one.verdict !== "pass").length;
  const tests = row.results.length + row.problems.length;
  return [
    `  <testsuite name="${escapeMarkup(name)}" tests="${tests}" failures="${unexpected}" skipped="${skipped}" time="${seconds([row])}">`,
    ...row.results.map((result) => caseLine(name, result)),
    ...row.problems.map((problem, index) => {
      const failure = `<failure message="${escapeMarkup(problem)}"/>`;
      return `    <testcase classname="${escapeMarkup(name)}" name="problem ${index + 1}">${failure}</testcase>`;
    }),
    "  </testsuite>",
  ];
}

function caseLine(classname: string, result: CaseResult): string {
  const start = `    <testcase classname="${escapeMarkup(classname)}" name="${escapeMarkup(result.id)}"`;
  if (!result.isExpected) {
    const message = escapeMarkup(`${result.verdict}: ${result.detail}`);
    return `${start}><failure message="${message}"/></testcase>`;
  }
  if (result.verdict === "pass") return `${start}/>`;
  const why = result.deviation ? ` (${result.deviation.reason})` : "";
  const message = escapeMarkup(`${result.verdict}: ${result.detail}${why}`);
  return `${start}><skipped message="${message}"/></testcase>`;
}

function seconds(rows: readonly RowReport[]): string {
  return (rows.reduce((sum, { durationMs }) => sum + durationMs, 0) / 1000).toFixed(3);
}
