/**
 * What a case program says on standard output, read line by line:
 *
 *   CASE <id> PASS|FAIL|SKIP <detail>
 *   SUMMARY n pass fail skip
 *
 * Other lines are the program's own and are left alone. What a program prints is not trusted: lines, details
 * and their number are bounded.
 */

export type Verdict = "pass" | "fail" | "skip";

export interface CaseVerdict {
  readonly id: string;
  readonly verdict: Verdict;
  /** Why, or what was seen; one line, printable, at most DETAIL_MAX_LENGTH characters; may be empty. */
  readonly detail: string;
}

export interface ProgramReport {
  /** In the order of the program; the first line about a case counts. */
  readonly verdicts: readonly CaseVerdict[];
  /** What is wrong with the report; empty when it is whole: one SUMMARY, last, with the right numbers. */
  readonly problems: readonly string[];
}

export const DETAIL_MAX_LENGTH = 400;
const VERDICTS_MAX = 10_000;
const ID = /^[A-Za-z0-9][A-Za-z0-9._/:+-]{0,127}$/;

/** @param stdout of a case program that has ended, however it ended */
export function readReport(stdout: string): ProgramReport {
  const verdicts = new Map<string, CaseVerdict>();
  const problems: string[] = [];
  let summary: readonly number[] | undefined;
  for (const line of stdout.split("\n")) {
    if (line.startsWith("SUMMARY ")) {
      if (summary) problems.push("there are two SUMMARY lines");
      summary = line.slice("SUMMARY ".length).trim().split(/\s+/).map(Number);
    } else if (line.startsWith("CASE ")) {
      if (summary) problems.push("a CASE line comes after the SUMMARY");
      const said = readCase(line);
      if (!said) problems.push(`not a CASE line: ${printable(line)}`);
      else if (verdicts.has(said.id)) problems.push(`${said.id} is reported twice`);
      else if (verdicts.size < VERDICTS_MAX) verdicts.set(said.id, said);
    }
    if (problems.length > 20) break;
  }
  const all = [...verdicts.values()];
  const counted = (verdict: Verdict) => all.filter((one) => one.verdict === verdict).length;
  const right = [all.length, counted("pass"), counted("fail"), counted("skip")];
  if (!summary) problems.push("there is no SUMMARY line");
  else if (summary.join(" ") !== right.join(" ")) {
    problems.push(`SUMMARY says ${summary.join(" ")}; the lines say ${right.join(" ")}`);
  }
  return { verdicts: all, problems };
}

function readCase(line: string): CaseVerdict | undefined {
  const [, id = "", verdict = "", detail = ""] =
    /^CASE (\S+) (PASS|FAIL|SKIP)(?:\s+(.*))?$/.exec(line.trimEnd()) ?? [];
  if (!ID.test(id)) return undefined;
  return { id, verdict: verdict.toLowerCase() as Verdict, detail: printable(detail) };
}

/** Text of a program as one line that cannot do anything to a terminal or a document. */
export function printable(text: string): string {
  const clean = text.replace(/[\p{Cc}\p{Cs}\p{Co}\p{Cn}\u2028\u2029\u202a-\u202e]/gu, "\ufffd");
  return clean.length <= DETAIL_MAX_LENGTH ? clean : `${clean.slice(0, DETAIL_MAX_LENGTH - 1)}…`;
}
