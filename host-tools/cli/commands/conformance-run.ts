/** `windlass conformance run`. */
import { openResultFile } from "../../allocator/result-file.ts";
import { matches } from "../../conformance/deviations.ts";
import { matrixHtml } from "../../conformance/matrix-html.ts";
import { matrixJunit } from "../../conformance/matrix-junit.ts";
import { matrixText } from "../../conformance/matrix-text.ts";
import { namedTargets } from "../../conformance/named-targets.ts";
import {
  missingText,
  type RowReport,
  type SuiteReport,
  tallyOf,
} from "../../conformance/report.ts";
import { runTargets } from "../../conformance/run-targets.ts";
import { runSuite } from "../../conformance/runner.ts";
import type { Suite } from "../../conformance/suite.ts";
import { loadSuites } from "../../conformance/suites.ts";
import type { Target } from "../../conformance/target.ts";
import { HostError } from "../../errors.ts";
import type { Execute, Invocation } from "../invocation.ts";
import { memoryMib } from "../option-values.ts";
import { printableLine } from "../printable-text.ts";

type Run = Invocation<"conformance run">;

/** Java and 64 worker threads of Node have room in it. */
const MEMORY_MIB = 1024;
const VCPUS = 2;
/** An ext4 for the symlink suite, which takes the disk of a clone for its erofs, too. */
const SCRATCH_MIB = 64;

export const execute: Execute<"conformance run"> = async (invocation) => {
  const { operands, options, output, report, signal } = invocation;
  const format = formatOf(options);
  const suites = await loadSuites(operands[0]);
  checkSelection(suites, options);
  const names = options.on.length === 0 ? ["host"] : [...new Set(options.on)];
  const targets = await namedTargets(names, machineOf(options));
  await using file =
    options.output === undefined ? undefined : await openResultFile(options.output);
  const { reports, isWhole } = await runTargets({
    ...{ suites, targets, signal, onLost: report },
    runOne: (suite, target) => runOne(suite, target, invocation),
  });
  const text = formatted(reports, format, options.verbose);
  await (file ? file.write(text) : output.print(text));
  return isWhole && reports.every(({ rows }) => tallyOf(rows).unexpected === 0) ? 0 : 1;
};

type Format = NonNullable<Run["options"]["format"]>;

function formatOf({ format, json }: Run["options"]): Format {
  if (!json) return format ?? "text";
  if (format === undefined || format === "json") return "json";
  const next = "Leave one of the two out";
  throw new HostError("WL_USAGE", `--json is --format json, and --format ${format} is another`, {
    next,
  });
}

function machineOf({ memory, cpus, accelerator }: Run["options"]) {
  return {
    ...{ accelerator, scratch: { sizeMib: SCRATCH_MIB } },
    memoryMib: memory === undefined ? MEMORY_MIB : memoryMib(memory),
    vcpuCount: cpus ?? VCPUS,
  };
}

function runOne(
  suite: Suite,
  target: Target,
  { options, output, signal }: Run,
): Promise<SuiteReport> {
  const { quiet } = options;
  const name = `${suite.name} on ${printableLine(target.name)}`;
  return runSuite({
    ...{ suite, target, signal },
    ...(options.case.length > 0 && { cases: options.case }),
    ...(options.row.length > 0 && { rows: options.row }),
    ...(!quiet && {
      onRow: ({ title }) => output.draft(`${name}: ${title} ...`),
      onRowEnd: (row) => output.note(`${name}: ${rowText(row)}`),
    }),
  });
}

function rowText(row: RowReport): string {
  if (row.missing) return `${row.title}: ${missingText(row.missing)}`;
  const { pass, unexpected } = tallyOf([row]);
  const seconds = (row.durationMs / 1000).toFixed(1);
  return `${row.title}: ${pass} pass, ${unexpected} not as expected (${seconds} s)`;
}

function formatted(reports: readonly SuiteReport[], format: Format, isVerbose: boolean): string {
  if (format === "json") return `${JSON.stringify(reports, null, 2)}\n`;
  if (format === "junit") return matrixJunit(reports);
  if (format === "html") return matrixHtml(reports);
  return matrixText(reports, { isVerbose });
}

/** A pattern that nothing matches would be a run of nothing, which passes. */
function checkSelection(suites: readonly Suite[], options: Run["options"]): void {
  const ids = {
    case: suites.flatMap(({ cases }) => cases.map(({ id }) => id)),
    row: suites.flatMap(({ rows }) => rows.map(({ id }) => id)),
  };
  for (const kind of ["case", "row"] as const) {
    for (const pattern of options[kind]) {
      if (ids[kind].some((id) => matches(pattern, id))) continue;
      throw new HostError("WL_USAGE", `No ${kind} matches ${JSON.stringify(pattern)}`, {
        next: 'See "windlass conformance ls"',
      });
    }
  }
}
