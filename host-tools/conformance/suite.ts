/**
 * What a conformance suite is: cases, and rows that give a verdict on each of them. A row is one program (of a
 * runtime, on a file system). It runs in steps; a step is one command on the target.
 */
import type { Outcome, Target } from "./target.ts";
import type { CaseVerdict } from "./verdict.ts";

export interface SuiteCase {
  /** As programs print it: "fs.symlink". */
  readonly id: string;
  /** Half a sentence: what has to hold. */
  readonly title: string;
}

export interface Suite {
  /** As on the command line: "runtime". */
  readonly name: string;
  /** One sentence without a full stop. */
  readonly summary: string;
  /** In the order of the matrix. */
  readonly cases: readonly SuiteCase[];
  readonly rows: readonly Row[];
}

export interface Row {
  /** As in the matrix and in deviations: "c-static". */
  readonly id: string;
  /** For people: "C, statically linked". */
  readonly title: string;
  /** Wants a target that no other row has used. */
  readonly isIsolated?: boolean;
  /** Builds the program on this host, and makes the target ready. */
  prepare(request: RowRequest): Promise<PreparedRow | MissingRow>;
}

export interface RowRequest {
  readonly target: Target;
  /** A new, empty folder of this host, removed after the row. */
  readonly folder: string;
  readonly signal?: AbortSignal | undefined;
}

/** What has to be installed before the row can be run. Its cases are reported as missing, and the run fails. */
export interface MissingRow {
  readonly kind: "missing";
  /** What is not there: "javac". */
  readonly what: string;
  /** Debian packages that have it; may be empty. */
  readonly packages: readonly string[];
}

/** Disposed of after the row, also when it failed. */
export interface PreparedRow extends Partial<AsyncDisposable> {
  readonly kind: "ready";
  /** Folder of this host that is put on the target before the first step. */
  readonly files: string;
  readonly steps: readonly Step[];
}

export interface Step {
  /** Which cases it is about; left out of a run when none of them is wanted. */
  readonly cases: readonly string[];
  /**
   * @param place the folder of `files` on the target
   * @param cases those of this step that are wanted, in this step's order. A program that dies is run again
   *   with the cases after the one it died in
   */
  argv(place: string, cases: readonly string[]): readonly string[];
  /** The runner adds CASE_FILES: the folder of `files` on the target, which is the working folder, too. */
  env?(place: string): Readonly<Record<string, string>>;
  readonly stdin?: Uint8Array;
  /** Of one run of the command; default STEP_TIMEOUT_MS. */
  readonly timeoutMs?: number;
  /** Gives the verdicts by what is seen from outside; default: the CASE lines of standard output. */
  judge?(outcome: Outcome, cases: readonly string[]): readonly CaseVerdict[];
}

export const STEP_TIMEOUT_MS = 60_000;
