/**
 * The verdict matrices for a terminal, one per suite: a line a case, a column for each row on each target. Of a long
 * suite a line is a group of cases with its counts, unless all of it is asked for; what is not as expected is always
 * said case by case.
 */
import { grouped, groupOf } from "./case-groups.ts";
import { differenceLines } from "./matrix-differences.ts";
import {
  type CaseResult,
  missingText,
  type RowReport,
  type SuiteReport,
  tallyOf,
} from "./report.ts";

/** Said behind an expected verdict that is not "pass"; explained below the matrix. */
const EXPLAINED = "*";
/** More than the runtime suite has, and about what people still look through. */
const LISTED_CASES_MAX = 120;

export interface MatrixTextOptions {
  /** Every case and every expected difference, however many. */
  readonly isVerbose?: boolean;
}

/** A row on a target. */
interface Column {
  /** "ext4", or "ext4@host" beside other targets. */
  readonly label: string;
  readonly row: RowReport;
}

export function matrixText(
  reports: readonly SuiteReport[],
  options: MatrixTextOptions = {},
): string {
  const suites = new Set(reports.map(({ suite }) => suite));
  const texts = [...suites].map((suite) =>
    suiteText(
      reports.filter((report) => report.suite === suite),
      options,
    ),
  );
  return texts.join("\n");
}

/** @param reports of one suite, each on another target, and of the same cases */
function suiteText(reports: readonly SuiteReport[], { isVerbose = false }: MatrixTextOptions) {
  const [first] = reports;
  if (!first) return "";
  const ids = first.cases.map(({ id }) => id);
  const isLong = ids.length > LISTED_CASES_MAX && !isVerbose;
  const columns = columnsOf(reports);
  const lines = [
    `${first.suite} on ${reports.map(({ target }) => target.name).join(", ")}`,
    "",
    ...tableLines(
      ["CASE", ...columns.map(({ label }) => label.toUpperCase())],
      isLong ? groupRows(ids, columns) : caseRows(ids, columns),
    ),
    ...unexpectedLines(columns),
    ...explainedLines(columns, isVerbose),
    ...differenceLines(reports, isVerbose),
    "",
    ...(isLong ? ["Case by case: --verbose, or --format html"] : []),
    ...reports.map((report) => summaryLine(report, reports.length > 1)),
  ];
  return `${lines.join("\n")}\n`;
}

/** Rows stand side by side with the same row on other targets. */
function columnsOf(reports: readonly SuiteReport[]): Column[] {
  const isOne = reports.length === 1;
  const ids = new Set(reports.flatMap(({ rows }) => rows.map(({ id }) => id)));
  return [...ids].flatMap((id) =>
    reports.flatMap(({ rows, target }) => {
      const row = rows.find((one) => one.id === id);
      return row ? [{ label: isOne ? id : `${id}@${target.name}`, row }] : [];
    }),
  );
}

function tableLines(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [head, ...rows];
  const widths = head.map((_, index) => Math.max(...all.map((words) => words[index]?.length ?? 0)));
  return all.map((words) =>
    words
      .map((word, index) => word.padEnd(widths[index] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

function caseRows(ids: readonly string[], columns: readonly Column[]): string[][] {
  return ids.map((id, index) => [id, ...columns.map(({ row }) => word(row.results[index]))]);
}

function word(result: CaseResult | undefined): string {
  if (!result) return "";
  if (!result.isExpected) return result.verdict.toUpperCase();
  return result.verdict === "pass" ? "pass" : `${result.verdict}${EXPLAINED}`;
}

/** "S12  38 pass 6 skip*  44 pass" */
function groupRows(ids: readonly string[], columns: readonly Column[]): string[][] {
  const indexes = grouped(ids.keys(), (index) => groupOf(ids[index] ?? ""));
  return [...indexes].map(([group, members]) => [
    group,
    ...columns.map(({ row }) => {
      const words = grouped(members, (index) => word(row.results[index]));
      return [...words].map(([said, { length }]) => `${length} ${said}`).join(" ");
    }),
  ]);
}

function unexpectedLines(columns: readonly Column[]): string[] {
  const lines = columns.flatMap(({ label, row }) => {
    if (row.missing) return [`${label}: ${missingText(row.missing)}`];
    const results = row.results
      .filter((one) => !one.isExpected)
      .map((one) => {
        const meant = one.deviation ? `, ${one.deviation.verdict} is expected` : "";
        const detail = one.detail === "" ? "" : `: ${one.detail}`;
        return `${label} ${one.id}: ${one.verdict}${meant}${detail}`;
      });
    return [...results, ...row.problems.map((problem) => `${label}: ${problem}`)];
  });
  return lines.length === 0 ? [] : ["", "Not as expected:", ...lines.map((line) => `  ${line}`)];
}

/** Each reason with its places: "c-static: 2 skip of tls.*, http.server", or of every case by its name. */
function explainedLines(columns: readonly Column[], isVerbose: boolean): string[] {
  const byReason = new Map<string, string[]>();
  for (const { label, row } of columns) {
    const explained = row.results.filter(
      ({ verdict, isExpected, deviation }) => deviation && isExpected && verdict !== "pass",
    );
    for (const results of grouped(explained, ({ deviation }) => deviation).values()) {
      const [{ deviation }] = results;
      if (!deviation) continue;
      const { reason, source, cases } = deviation;
      const names = isVerbose ? results.map(({ id }) => id) : cases;
      const text = `${reason} (${source})`;
      const place = `${label}: ${results.length} ${deviation.verdict} of ${names.join(", ")}`;
      byReason.set(text, [...(byReason.get(text) ?? []), place]);
    }
  }
  if (byReason.size === 0) return [];
  const lines = [...byReason].flatMap(([reason, places]) => [
    `  ${reason}`,
    ...places.map((place) => `    ${place}`),
  ]);
  return ["", `${EXPLAINED} Expected:`, ...lines];
}

/** "412 verdicts: 380 pass, 0 fail, 32 skip, 0 missing; 0 not as expected; 12.3 s" */
function summaryLine({ rows, target, lost }: SuiteReport, isNamed: boolean): string {
  const { pass, fail, skip, missing, unexpected } = tallyOf(rows);
  const seconds = rows.reduce((sum, { durationMs }) => sum + durationMs, 0) / 1000;
  const all = pass + fail + skip + missing;
  const name = isNamed ? `${target.name}: ` : "";
  const end = lost === undefined ? "" : "; lost before its last row";
  return `${name}${all} verdicts: ${pass} pass, ${fail} fail, ${skip} skip, ${missing} missing; ${unexpected} not as expected; ${seconds.toFixed(1)} s${end}`;
}
