/** Runs a suite's rows on a target, one after the other. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HostError } from "../errors.ts";
import { type Deviation, matches } from "./deviations.ts";
import { endText } from "./outcome-text.ts";
import { caseResult, missingText, type RowReport, type SuiteReport } from "./report.ts";
import { type Row, STEP_TIMEOUT_MS, type Step, type Suite } from "./suite.ts";
import type { Outcome, Target } from "./target.ts";
import { type CaseVerdict, printable, readReport } from "./verdict.ts";

/** Runs in a row that end before the first case has a verdict. */
const SILENT_RUNS_MAX = 3;

export interface RunRequest {
  readonly suite: Suite;
  readonly target: Target;
  /** Only cases whose id matches one of these; "*" stands for any text. Default: all. */
  readonly cases?: readonly string[] | undefined;
  /** Only these rows, likewise. */
  readonly rows?: readonly string[] | undefined;
  /** Default: the reviewed ones. */
  readonly deviations?: readonly Deviation[] | undefined;
  readonly onRow?: ((row: Row) => void) | undefined;
  readonly onRowEnd?: ((report: RowReport) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A row that fails does not end the run. A lost target does, and the report says so.
 *
 * @throws the signal's reason
 */
export async function runSuite(request: RunRequest): Promise<SuiteReport> {
  const { suite, target, signal } = request;
  const cases = suite.cases.filter(({ id }) => isWanted(id, request.cases));
  const rows: RowReport[] = [];
  let lost: string | undefined;
  for (const row of suite.rows) {
    if (lost !== undefined) break;
    if (!isWanted(row.id, request.rows) || cases.length === 0) continue;
    signal?.throwIfAborted();
    request.onRow?.(row);
    const report = await runRow(
      request,
      row,
      cases.map(({ id }) => id),
      (reason) => {
        lost = reason;
      },
    );
    request.onRowEnd?.(report);
    rows.push(report);
  }
  const { kind, name } = target;
  return {
    ...{ suite: suite.name, target: { kind, name }, cases, rows },
    ...(lost !== undefined && { lost }),
  };
}

function isWanted(id: string, patterns: readonly string[] | undefined): boolean {
  return patterns === undefined || patterns.some((pattern) => matches(pattern, id));
}

interface RowVerdicts {
  readonly verdicts: ReadonlyMap<string, CaseVerdict>;
  readonly problems: readonly string[];
}

async function runRow(
  request: RunRequest,
  row: Row,
  cases: readonly string[],
  onLost: (reason: string) => void,
): Promise<RowReport> {
  const startedAtMs = performance.now();
  const { suite, deviations } = request;
  const place = { suite: suite.name, target: request.target.kind, row: row.id };
  const folder = await mkdtemp(join(tmpdir(), "windlass-conformance-"));
  const ended = { id: row.id, title: row.title };
  const duration = (): number => Math.round(performance.now() - startedAtMs);
  try {
    const target = row.isIsolated ? await request.target.fork(request) : request.target;
    try {
      const prepared = await row.prepare({ target, folder, signal: request.signal });
      if (prepared.kind === "missing") {
        const said = { verdict: "missing", detail: missingText(prepared) } as const;
        const results = cases.map((id) => caseResult(place, { id, ...said }, deviations));
        const missing = { what: prepared.what, packages: prepared.packages };
        return { ...ended, missing, results, problems: [], durationMs: duration() };
      }
      await using _prepared = {
        [Symbol.asyncDispose]: async () => prepared[Symbol.asyncDispose]?.(),
      };
      const files = await target.put(prepared.files, request);
      const said = await runSteps(request, target, { files, steps: prepared.steps, cases });
      const results = cases.map((id) => {
        const none = { id, verdict: "skip", detail: "the row has no program for it" } as const;
        return caseResult(place, said.verdicts.get(id) ?? none, deviations);
      });
      return { ...ended, results, problems: said.problems, durationMs: duration() };
    } finally {
      if (row.isIsolated) await target[Symbol.asyncDispose]();
    }
  } catch (error) {
    request.signal?.throwIfAborted();
    const detail = printable(error instanceof Error ? error.message : String(error));
    const said = { verdict: "fail", detail } as const;
    const results = cases.map((id) => caseResult(place, { id, ...said }, deviations));
    if (error instanceof HostError && error.code === "WL_GUEST_UNREACHABLE") onLost(detail);
    return { ...ended, results, problems: [detail], durationMs: duration() };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function runSteps(
  request: RunRequest,
  target: Target,
  { files, steps, cases }: { files: string; steps: readonly Step[]; cases: readonly string[] },
): Promise<RowVerdicts> {
  const verdicts = new Map<string, CaseVerdict>();
  const problems: string[] = [];
  for (const step of steps) {
    const wanted = step.cases.filter((id) => cases.includes(id));
    if (wanted.length === 0) continue;
    const run = (some: readonly string[]): Promise<Outcome> => {
      const argv = step.argv(files, some);
      const { stdin, timeoutMs = STEP_TIMEOUT_MS } = step;
      const env = { ...step.env?.(files), CASE_FILES: files };
      return target.run({ argv, env, stdin, timeoutMs, workdir: files }, request);
    };
    const said = step.judge
      ? { verdicts: step.judge(await run(wanted), wanted), problems: [] }
      : await runReporting(wanted, run);
    for (const one of said.verdicts) verdicts.set(one.id, one);
    problems.push(...said.problems);
  }
  return { verdicts, problems };
}

/** Runs a program that reports, again and again behind the cases that it dies in. */
async function runReporting(
  cases: readonly string[],
  run: (cases: readonly string[]) => Promise<Outcome>,
): Promise<{ readonly verdicts: readonly CaseVerdict[]; readonly problems: readonly string[] }> {
  const verdicts: CaseVerdict[] = [];
  const problems: string[] = [];
  let left = cases;
  let silentRuns = 0;
  while (left.length > 0) {
    const outcome = await run(left);
    const report = readReport(outcome.stdout.toString("utf8"));
    const said = report.verdicts.filter(({ id }) => left.includes(id));
    for (const { id } of report.verdicts) {
      if (!left.includes(id)) problems.push(`${id} was not asked for`);
    }
    verdicts.push(...said);
    const unsaid = left.filter((id) => !said.some((one) => one.id === id));
    const [culprit] = unsaid;
    if (culprit === undefined) {
      problems.push(...report.problems);
      if (outcome.exitCode !== 0) problems.push(`after all cases the program ${endText(outcome)}`);
      break;
    }
    const detail = `the program ${endText(outcome)}`;
    silentRuns = said.length === 0 ? silentRuns + 1 : 0;
    // One that never says a word will not begin to.
    const failed = silentRuns > SILENT_RUNS_MAX ? unsaid : [culprit];
    verdicts.push(...failed.map((id) => ({ id, verdict: "fail" as const, detail })));
    left = unsaid.filter((id) => !failed.includes(id));
  }
  return { verdicts, problems };
}
