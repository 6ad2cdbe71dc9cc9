/**
 * Which verdicts differ from "pass", and why: `deviations.json`, which people review. Whatever differs without
 * standing there is a failure of the run.
 */
import deviationsFile from "./deviations.json" with { type: "json" };
import type { Verdict } from "./verdict.ts";

export interface Deviation {
  readonly suite: string;
  /** "host", "linux", or "*". */
  readonly target: string;
  /** Row ids; "*" stands for any text. */
  readonly rows: readonly string[];
  /** Case ids; "*" stands for any text. */
  readonly cases: readonly string[];
  readonly verdict: Exclude<Verdict, "pass">;
  /** Depends on the machine: "pass" is right, too. */
  readonly sometimes?: boolean;
  readonly reason: string;
  /** Where that can be read: a document, a line of source, a standard. */
  readonly source: string;
}

export const deviations = deviationsFile as readonly Deviation[];

export interface Place {
  readonly suite: string;
  readonly target: string;
  readonly row: string;
  readonly case: string;
}

/** The first that is about this place. */
export function deviationAt(
  place: Place,
  from: readonly Deviation[] = deviations,
): Deviation | undefined {
  return from.find(
    (one) =>
      one.suite === place.suite &&
      matches(one.target, place.target) &&
      one.rows.some((pattern) => matches(pattern, place.row)) &&
      one.cases.some((pattern) => matches(pattern, place.case)),
  );
}

/** @param verdict "missing" is never expected */
export function isExpected(
  verdict: Verdict | "missing",
  deviation: Deviation | undefined,
): boolean {
  if (!deviation) return verdict === "pass";
  return verdict === deviation.verdict || (deviation.sometimes === true && verdict === "pass");
}

/** @param pattern "*" stands for any text, also for none */
export function matches(pattern: string, text: string): boolean {
  const [first = "", ...rest] = pattern.split("*");
  if (rest.length === 0) return pattern === text;
  if (!text.startsWith(first)) return false;
  const last = rest.pop() ?? "";
  let at = first.length;
  for (const piece of rest) {
    const found = text.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}
