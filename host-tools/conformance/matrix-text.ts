/** The verdict matrix for a terminal: a line a case, a column a row. */
import { missingText, type RowReport, type SuiteReport, tallyOf } from "./report.ts";

/** Said behind an expected verdict that is not "pass"; explained below the matrix. */
const EXPLAINED = "*";

export function matrixText(report: SuiteReport): string {
  const { rows } = report;
  const ids = report.cases.map(({ id }) => id);
  const idWidth = Math.max("CASE".length, ...ids.map((id) => id.length));
  const widths = rows.map(({ id }) => Math.max(id.length, "missing".length));
  const line = (first: string, words: readonly string[]): string =>
    [first.padEnd(idWidth), ...words.map((word, index) => word.padEnd(widths[index] ?? 0))]
      .join("  ")
      .trimEnd();
  const lines = [
    `${report.suite} on ${report.target.name}`,
    "",
    line(
      "CASE",
      rows.map(({ id }) => id.toUpperCase()),
    ),
    ...ids.map((id, index) =>
      line(
        id,
        rows.map((row) => word(row, index)),
      ),
    ),
  ];
  return `${[...lines, ...unexpectedLines(rows), ...explainedLines(rows), "", summaryLine(report)].join("\n")}\n`;
}

function word(row: RowReport, index: number): string {
  const result = row.results[index];
  if (!result) return "";
  if (result.isExpected)
    return result.verdict === "pass" ? "pass" : `${result.verdict}${EXPLAINED}`;
  return result.verdict.toUpperCase();
}

function unexpectedLines(rows: readonly RowReport[]): string[] {
  const lines = rows.flatMap((row) => {
    if (row.missing) return [`${row.id}: ${missingText(row.missing)}`];
    const results = row.results
      .filter((one) => !one.isExpected)
      .map((one) => {
        const meant = one.deviation ? `, ${one.deviation.verdict} is expected` : "";
        const detail = one.detail === "" ? "" : `: ${one.detail}`;
        return `${row.id} ${one.id}: ${one.verdict}${meant}${detail}`;
      });
    return [...results, ...row.problems.map((problem) => `${row.id}: ${problem}`)];
  });
  return lines.length === 0 ? [] : ["", "Not as expected:", ...lines.map((line) => `  ${line}`)];
}

function explainedLines(rows: readonly RowReport[]): string[] {
  const byReason = new Map<string, string[]>();
  for (const row of rows) {
    for (const { id, verdict, isExpected, deviation } of row.results) {
      if (!deviation || !isExpected || verdict === "pass") continue;
      const text = `${deviation.reason} (${deviation.source})`;
      byReason.set(text, [...(byReason.get(text) ?? []), `${row.id} ${id}`]);
    }
  }
  if (byReason.size === 0) return [];
  const lines = [...byReason].flatMap(([reason, places]) => [
    `  ${reason}`,
    `    ${places.join(", ")}`,
  ]);
  return ["", `${EXPLAINED} Expected:`, ...lines];
}

/** "412 verdicts: 380 pass, 0 fail, 32 skip, 0 missing; 0 not as expected; 12.3 s" */
function summaryLine({ rows }: SuiteReport): string {
  const { pass, fail, skip, missing, unexpected } = tallyOf(rows);
  const seconds = rows.reduce((sum, { durationMs }) => sum + durationMs, 0) / 1000;
  const all = pass + fail + skip + missing;
  return `${all} verdicts: ${pass} pass, ${fail} fail, ${skip} skip, ${missing} missing; ${unexpected} not as expected; ${seconds.toFixed(1)} s`;
}
