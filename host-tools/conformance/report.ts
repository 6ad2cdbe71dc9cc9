/** What a run of a suite on a target came to. Plain data: the JSON format is this. */
import { type Deviation, deviationAt, isExpected } from "./deviations.ts";
import type { MissingRow, SuiteCase } from "./suite.ts";
import type { Verdict } from "./verdict.ts";

export interface CaseResult {
  readonly id: string;
  /** missing: the row could not be prepared. */
  readonly verdict: Verdict | "missing";
  readonly detail: string;
  readonly isExpected: boolean;
  /** Why something else than "pass" is expected. */
  readonly deviation?: Deviation;
}

export interface RowReport {
  readonly id: string;
  readonly title: string;
  readonly missing?: Omit<MissingRow, "kind">;
  /** One for each case of the run, in its order. */
  readonly results: readonly CaseResult[];
  /** What is wrong with what the program printed; a run with problems has failed. */
  readonly problems: readonly string[];
  readonly durationMs: number;
}

export interface SuiteReport {
  readonly suite: string;
  readonly target: { readonly kind: string; readonly name: string };
  readonly cases: readonly SuiteCase[];
  readonly rows: readonly RowReport[];
  /** Why the last row was broken off, and those after it were not run: the target is no more. */
  readonly lost?: string;
}

export interface Tally {
  readonly pass: number;
  readonly fail: number;
  readonly skip: number;
  readonly missing: number;
  /** Verdicts that are not expected, and problems. */
  readonly unexpected: number;
}

/** Judges a verdict by the deviations. */
export function caseResult(
  place: { readonly suite: string; readonly target: string; readonly row: string },
  said: Pick<CaseResult, "id" | "verdict" | "detail">,
  deviations?: readonly Deviation[],
): CaseResult {
  const deviation = deviationAt({ ...place, case: said.id }, deviations);
  return {
    ...{ id: said.id, verdict: said.verdict, detail: said.detail },
    isExpected: isExpected(said.verdict, deviation),
    ...(deviation && { deviation }),
  };
}

export function tallyOf(rows: readonly RowReport[]): Tally {
  const results = rows.flatMap((row) => row.results);
  const counted = (verdict: CaseResult["verdict"]) =>
    results.filter((one) => one.verdict === verdict).length;
  const problems = rows.reduce((sum, row) => sum + row.problems.length, 0);
  return {
    ...{ pass: counted("pass"), fail: counted("fail") },
    ...{ skip: counted("skip"), missing: counted("missing") },
    unexpected: results.filter((one) => !one.isExpected).length + problems,
  };
}

/** "javac is missing: install default-jdk-headless" */
export function missingText({ what, packages }: Omit<MissingRow, "kind">): string {
  const install = packages.length === 0 ? "" : `: install ${packages.join(" ")}`;
  return `${what} is missing${install}`;
}
