/** An instance in the foreground: its output is ours, its end is ours, Ctrl-C ends it. */
import { once } from "node:events";
import type { ExitRecord } from "../../guest/api/journal.ts";
import { HostError } from "../errors.ts";
import { BootTrace } from "../instance/boot-trace.ts";
import { signalStatus } from "../instance/exit-code.ts";
import type { End } from "../instance/instance-record.ts";
import type { Instance, Instances } from "../instance/instances.ts";
import { bootchartOf, bootchartText } from "./bootchart.ts";
import type { Interrupts } from "./interrupts.ts";
import { printRecord } from "./journal-output.ts";
import type { Output } from "./output.ts";
import { sendInput } from "./program-input.ts";
import { stepNote } from "./stop-note.ts";

/** The program begins before the agent that is to stop it; under emulation a second or two. */
const AGENT_TIMEOUT_MS = 10_000;

/** As for a process that SIGKILL ended. */
const LOST_STATUS = 128 + 9;

export interface Foreground extends Interrupts {
  readonly output: Output;
  readonly instances: Instances;
  /** Send our standard input to the program. */
  readonly interactive: boolean;
  /** Show where the time of the start went, when it is over. */
  readonly bootchart?: boolean;
  report(error: unknown): void;
}

/**
 * Shows a started instance to its end.
 *
 * @returns the program's exit status
 * @throws {HostError} WL_BOOT_FAILED when the machine ended before the program began, or for want of memory; or the reason of
 *   the interruption, when the machine has ended
 */
export async function foreground(instance: Instance, context: Foreground): Promise<number> {
  const { instances, output, signal } = context;
  const { id, name, options } = instance.record;
  const boot = bootOutcome(instances, instance, context);
  const ending = new Ending(instance, context);
  using _ending = ending.onInterrupt();
  const input = new AbortController();
  let exit: ExitRecord | undefined;
  try {
    for await (const record of instances.journal(instance, { follow: true, launchOnly: true })) {
      await printRecord(output, record);
      if (record.kind === "phase" && record.phase === "program-started") {
        ending.programHasBegun = true;
      }
      if (record.kind === "phase" && record.phase === "agent-listening") {
        ending.agentAnswers();
        if (context.interactive) void connectInput(instance, context, input.signal);
      }
      if (record.kind === "exit" && record.final) exit = record;
      if (exit && options.program.onExit === "keep") break;
    }
  } catch (error) {
    if (!signal.aborted) throw error; // The journal may go with the instance that we interrupted.
  } finally {
    input.abort();
    ending.agentAnswers(); // Or never will.
  }
  await ending.finished();
  if (context.bootchart) await boot;
  if (exit && options.program.onExit === "keep" && !signal.aborted) {
    if (options.autoRemove) await instances.remove(id, { force: true });
    else output.note(`The machine goes on (onExit: keep); "windlass stop ${name}" ends it`);
    return statusOf(exit);
  }
  const end = await instances.wait(id).catch(ignoreRemoved);
  signal.throwIfAborted();
  if (exit) return statusOf(exit);
  const failure = await boot;
  // The program may run, and print, before its machine counts as ready: its end is no failed boot then.
  if (failure && !(ending.programHasBegun && isBootFailed(failure))) throw failure;
  if (ending.programHasBegun) context.report(machineLost(name));
  return end?.exitCode ?? LOST_STATUS;
}

/** The machine ended, and it was not for want of memory: that is said with what to do about it. */
function isBootFailed(error: unknown): boolean {
  const isFailed = error instanceof HostError && error.code === "WL_BOOT_FAILED";
  return isFailed && error.facts.detail?.["isTooSmall"] !== true;
}

/** Somebody ended it from elsewhere, or something did: the program's own end was never told. */
function machineLost(name: string): HostError {
  const message = `The machine of instance "${name}" ended under its program: QEMU was killed, or it crashed`;
  const next = '"windlass events --since 1m --until 0s" tells whether Windlass was asked to';
  return new HostError("WL_QEMU_FAILED", message, { next });
}

/** Why the boot failed; undefined when it did not. One that only takes long is reported at once. */
async function bootOutcome(
  instances: Instances,
  instance: Instance,
  { output, signal, report, bootchart }: Foreground,
): Promise<unknown> {
  try {
    const trace = new BootTrace();
    const readiness = await instances.ready(instance, { onPhase: trace.onPhase, signal });
    if (!bootchart) return undefined;
    const spans = await trace.spans(instances, instance, { readiness, signal });
    await output.printError(bootchartText(bootchartOf(spans)));
    return undefined;
  } catch (error) {
    if (!(error instanceof HostError && error.code === "WL_BOOT_TIMEOUT")) return error;
    report(error);
    return undefined;
  }
}

async function connectInput(
  { record }: Instance,
  { instances, report }: Foreground,
  signal: AbortSignal,
): Promise<void> {
  try {
    const { client } = await instances.client(record.id);
    await using _client = client;
    await sendInput(client, process.stdin, { signal });
  } catch (error) {
    if (!signal.aborted) report(error);
  }
}

/** Ends the machine when we are interrupted: asks at the first Ctrl-C, kills at the second. */
class Ending {
  /** Before that there is nothing to lose. */
  programHasBegun = false;
  /** To be called when the agent answers, or the machine has ended: nobody waits for it then. */
  agentAnswers: () => void = () => undefined;
  readonly #agent = new Promise<void>((resolve) => {
    this.agentAnswers = resolve;
  });
  readonly #id: string;
  readonly #context: Foreground;
  readonly #work: Promise<void>[] = [];

  constructor({ record }: Instance, context: Foreground) {
    this.#id = record.id;
    this.#context = context;
  }

  onInterrupt(): Disposable {
    const { signal, urgent } = this.#context;
    const ask = (): void => void this.#work.push(this.#attempt(() => this.#stop()));
    const kill = (): void => void this.#work.push(this.#attempt(() => this.#kill()));
    signal.addEventListener("abort", ask, { once: true });
    urgent.addEventListener("abort", kill, { once: true });
    if (signal.aborted) ask();
    return {
      [Symbol.dispose]: () => {
        signal.removeEventListener("abort", ask);
        urgent.removeEventListener("abort", kill);
      },
    };
  }

  async finished(): Promise<void> {
    await Promise.all(this.#work);
  }

  async #stop(): Promise<void> {
    if (!this.programHasBegun) return await this.#kill();
    const { instances, urgent, output } = this.#context;
    output.note("Stopping the program; Ctrl-C again kills it");
    const limit = AbortSignal.any([urgent, AbortSignal.timeout(AGENT_TIMEOUT_MS)]);
    if (!limit.aborted) await Promise.race([this.#agent, once(limit, "abort")]);
    urgent.throwIfAborted();
    const onStep = (step: Parameters<typeof stepNote>[0]): void => {
      const note = stepNote(step);
      if (note !== undefined) output.note(note);
    };
    await instances.stop(this.#id, { signal: urgent, onStep });
  }

  async #kill(): Promise<void> {
    await this.#context.instances.kill(this.#id, "SIGKILL");
  }

  /** What fails because the machine has ended meanwhile has not failed. */
  async #attempt(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (error === this.#context.urgent.reason) return;
      const isEnded =
        error instanceof HostError && /^WL_INSTANCE_(STATE|UNKNOWN)$/.test(error.code);
      if (!isEnded) this.#context.report(error);
    }
  }
}

/** As a shell has it: 128 + n for a signal. */
function statusOf({ exitCode, signal }: ExitRecord): number {
  return exitCode ?? signalStatus(signal ?? "SIGKILL");
}

/** Somebody else has seen the end first, and removed an instance that was to be removed. */
function ignoreRemoved(error: unknown): End | undefined {
  if (error instanceof HostError && error.code === "WL_INSTANCE_UNKNOWN") return undefined;
  throw error;
}
