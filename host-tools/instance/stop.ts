/**
 * The end of an instance, asked for: the program first (its stop signal), then the machine (the agent
 * powers off), then QEMU (monitor, SIGTERM, SIGKILL). Each step is bounded and reported.
 */
import { HostError } from "../errors.ts";
import type { GuestClient } from "../guest-client/guest-client.ts";
import type { ProcessIdentity } from "../qemu/process-identity.ts";
import { stopQemu } from "../qemu/stop-ladder.ts";

/** Docker's. */
export const STOP_TIMEOUT_MS = 10_000;
/** For process 1 to sync and power off. */
const POWEROFF_TIMEOUT_MS = 5_000;
/** With a scratch disk: all that the guest still has in memory goes to the host's disk first. */
const POWEROFF_WITH_DISK_TIMEOUT_MS = 60_000;
/** Beyond the program's own time: the agent's reply under emulation. */
const REPLY_MARGIN_MS = 5_000;

export interface StopStep {
  readonly step: "program" | "poweroff" | "quit" | "SIGTERM" | "SIGKILL";
  readonly ended: boolean;
  readonly durationMs: number;
  /** Why the step did not end the machine. */
  readonly problem?: string;
}

export interface StopRequest {
  readonly client: GuestClient;
  readonly process: ProcessIdentity;
  readonly qmpSocketPath: string;
  /** Fulfilled when QEMU has ended. */
  readonly machineEnded: Promise<unknown>;
  /** For the program to end by itself. Default STOP_TIMEOUT_MS. */
  readonly timeoutMs?: number | undefined;
  /** It has a disk that is to be whole afterwards. */
  readonly hasDisk?: boolean | undefined;
  readonly onStep?: ((step: StopStep) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** @returns the steps that were taken; the last one ended the machine */
export async function stopMachine(request: StopRequest): Promise<StopStep[]> {
  const { client, machineEnded, timeoutMs = STOP_TIMEOUT_MS, signal } = request;
  const steps: StopStep[] = [];
  const report = (step: StopStep): void => {
    steps.push(step);
    request.onStep?.(step);
  };
  const ended = await endedFlag(machineEnded);

  const ask = async (
    step: "program" | "poweroff",
    limitMs: number,
    action: (options: { signal: AbortSignal; timeoutMs: number }) => Promise<unknown>,
  ): Promise<void> => {
    const startedMs = performance.now();
    const limit = AbortSignal.any([AbortSignal.timeout(limitMs), ...(signal ? [signal] : [])]);
    let problem: string | undefined;
    try {
      // The agent may end with the machine before its reply is out; the machine's end counts then.
      await Promise.race([action({ signal: limit, timeoutMs: limitMs }), machineEnded]);
    } catch (error) {
      signal?.throwIfAborted();
      problem = limit.aborted ? `no answer in ${limitMs} ms` : messageOf(error);
    }
    if (problem === undefined && step === "poweroff" && !ended.value) {
      problem = await waitFor(machineEnded, limit, `the machine did not end in ${limitMs} ms`);
      signal?.throwIfAborted();
    }
    const durationMs = performance.now() - startedMs;
    report({ step, ended: ended.value, durationMs, ...(problem ? { problem } : {}) });
  };

  await ask("program", timeoutMs + REPLY_MARGIN_MS, (options) =>
    client.call("programStop", { body: { timeoutMs } }, options),
  );
  if (!ended.value) {
    const limitMs = request.hasDisk ? POWEROFF_WITH_DISK_TIMEOUT_MS : POWEROFF_TIMEOUT_MS;
    await ask("poweroff", limitMs, (options) => client.call("osPoweroff", {}, options));
  }
  if (!ended.value) {
    const { process, qmpSocketPath } = request;
    await stopQemu(
      { process, qmpSocketPath },
      {
        signal,
        onStep: ({ rung, ended: isEnded, durationMs, problem }) =>
          report({ step: rung, ended: isEnded, durationMs, ...(problem ? { problem } : {}) }),
      },
    );
  }
  return steps;
}

/** A promise's fulfilment as a flag that can be read at any time. */
async function endedFlag(promise: Promise<unknown>): Promise<{ value: boolean }> {
  const flag = { value: false };
  void promise.then(() => {
    flag.value = true;
  });
  await Promise.resolve(); // Lets a promise that is fulfilled already set the flag.
  return flag;
}

async function waitFor(
  promise: Promise<unknown>,
  signal: AbortSignal,
  problem: string,
): Promise<string | undefined> {
  if (signal.aborted) return problem;
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<string>((resolve) => {
    onAbort = () => resolve(problem);
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([promise.then(() => undefined), aborted]);
  } finally {
    if (onAbort) signal.removeEventListener("abort", onAbort);
  }
}

function messageOf(error: unknown): string {
  if (error instanceof HostError) return error.message;
  return error instanceof Error ? error.message : String(error);
}
