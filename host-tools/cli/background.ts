/** An instance in the background: waiting until its program is ready, and what to say then. */
import type { ExitRecord } from "../../guest/api/journal.ts";
import { HostError } from "../errors.ts";
import { BootTrace } from "../instance/boot-trace.ts";
import type { Boot } from "../instance/instance-record.ts";
import type { Instance, Instances } from "../instance/instances.ts";
import type { Readiness } from "../instance/readiness.ts";
import { type Bootchart, bootchartOf } from "./bootchart.ts";
import { type InstanceView, instanceView } from "./instance-view.ts";
import { LastLines, linesOf } from "./journal-lines.ts";
import type { Output } from "./output.ts";
import { printableLine } from "./printable-text.ts";

/** How many lines an error shows of a program that ended at once. */
const LAST_LINES = 20;

export interface StartedView extends InstanceView {
  readonly acceleratorReason: string;
  /** Whether it booted or is a clone; `why` when a template was there and did not fit. */
  readonly boot: Boot;
  readonly readiness: Readiness;
  /** From the start of QEMU until the program was ready, in milliseconds. */
  readonly bootMs: number;
  /** What the guest warned of while it started. */
  readonly warnings: readonly string[];
  /** Where it was asked for. */
  readonly bootchart?: Bootchart;
}

/**
 * Waits until the program of a started instance is ready, or has done its work.
 *
 * @throws {HostError} WL_BOOT_FAILED, also when the program ended with a failure; WL_BOOT_TIMEOUT; or
 *   the signal's reason, and the machine is ended then
 */
export async function waitStarted(
  instances: Instances,
  started: Instance,
  {
    output,
    signal,
    bootchart = false,
  }: { readonly output: Output; readonly signal: AbortSignal; readonly bootchart?: boolean },
): Promise<StartedView> {
  const { id, launch, options } = started.record;
  const trace = new BootTrace();
  const { onPhase } = trace;
  const readiness = await instances.ready(started, { onPhase, signal }).catch(async (error) => {
    if (signal.aborted) await instances.kill(id, "SIGKILL").catch(ignoreEnded);
    throw error;
  });
  const bootMs = Date.now() - Date.parse(launch?.startedAt ?? "");
  const spans = bootchart
    ? await trace.spans(instances, started, { readiness, signal })
    : undefined;
  let instance = started;
  if (readiness === "ended") {
    const { exit, output } = await lastWords(instances, started);
    if (options.program.onExit === "poweroff") {
      const end = await instances.wait(id).catch(ignoreEnded);
      instance = { record: { ...started.record, ...(end && { end }) }, state: "exited" };
    }
    if (exit?.exitCode !== 0) throw endedAtOnce(started, exit, output);
  }
  const view = instanceView(instance);
  const acceleratorReason = launch?.acceleratorReason ?? "";
  const warnings = readiness === "ended" ? [] : await warningsOf(instances, started);
  for (const warning of warnings) output.note(`warning: ${printableLine(warning)}`);
  const boot = launch?.boot ?? { kind: "cold" };
  const chart = spans && { bootchart: bootchartOf(spans) };
  return { ...view, acceleratorReason, boot, readiness, bootMs, warnings, ...chart };
}

async function warningsOf(instances: Instances, instance: Instance): Promise<string[]> {
  const warnings: string[] = [];
  for await (const record of instances.journal(instance, { launchOnly: true })) {
    if (record.kind === "notice" && record.level !== "info") warnings.push(record.text);
  }
  return warnings;
}

async function lastWords(
  instances: Instances,
  instance: Instance,
): Promise<{ exit: ExitRecord | undefined; output: string }> {
  const last = new LastLines(LAST_LINES);
  let exit: ExitRecord | undefined;
  for await (const record of instances.journal(instance, { launchOnly: true })) {
    last.add(linesOf(record));
    if (record.kind === "exit") exit = record;
  }
  const output = last.lines().map(({ text }) => `  ${text}`);
  return { exit, output: output.join("").trimEnd() };
}

function endedAtOnce(
  { record }: Instance,
  exit: ExitRecord | undefined,
  output: string,
): HostError {
  const how =
    exit?.signal == null ? `exit status ${exit?.exitCode ?? "unknown"}` : `signal ${exit.signal}`;
  const why = exit?.reason == null ? "" : `: ${exit.reason}`;
  const words = output === "" ? "; it wrote nothing" : `; its last output:\n${output}`;
  return new HostError(
    "WL_BOOT_FAILED",
    `The program of instance "${record.name}" ended with ${how} before it was ready${why}${words}`,
    {
      next: record.options.autoRemove
        ? "Run it in the foreground to see everything"
        : `See everything with "windlass logs ${record.name}"`,
      detail: { exitCode: exit?.exitCode ?? null, signal: exit?.signal ?? null },
    },
  );
}

function ignoreEnded(error: unknown): undefined {
  if (error instanceof HostError && /^WL_INSTANCE_(STATE|UNKNOWN)$/.test(error.code)) return;
  throw error;
}
