/** Runs suites on one target after the other, and keeps what there is when one of them is lost. */
import type { NamedTarget } from "./named-targets.ts";
import type { SuiteReport } from "./report.ts";
import type { Suite } from "./suite.ts";
import type { Target, TargetWaiting } from "./target.ts";

export interface TargetsRun extends TargetWaiting {
  readonly targets: readonly NamedTarget[];
  readonly suites: readonly Suite[];
  readonly runOne: (suite: Suite, target: Target) => Promise<SuiteReport>;
  /** Told why a target has no report, or not all of them; the next one's turn comes. */
  readonly onLost: (error: unknown) => void;
}

/** @throws the signal's reason */
export async function runTargets(
  request: TargetsRun,
): Promise<{ readonly reports: readonly SuiteReport[]; readonly isWhole: boolean }> {
  const reports: SuiteReport[] = [];
  let isWhole = true;
  for (const target of request.targets) {
    try {
      await runTarget(request, target, reports);
    } catch (error) {
      request.signal?.throwIfAborted();
      isWhole = false;
      request.onLost(error);
    }
  }
  return { reports, isWhole: isWhole && reports.every(({ lost }) => lost === undefined) };
}

/** Apart from the loop, in which esbuild's `await using` would keep the first error for all later turns. */
async function runTarget(
  { suites, runOne, signal }: TargetsRun,
  { open }: NamedTarget,
  reports: SuiteReport[],
): Promise<void> {
  await using target = await open({ signal });
  for (const suite of suites) {
    const report = await runOne(suite, target);
    reports.push(report);
    if (report.lost !== undefined) return;
  }
}
