/**
 * How a QEMU is ended when asking the guest did not help or is not wanted: the monitor's `quit`, then
 * SIGTERM, then SIGKILL. Every rung is bounded, and the report says what each of them did.
 */
import { HostError } from "../errors.ts";
import { connectQmp, type QmpConnection } from "../qmp/connection.ts";
import { isAlive, type ProcessIdentity, signalProcess, waitForExit } from "./process-identity.ts";

export type StopRung = "quit" | "SIGTERM" | "SIGKILL";

export interface StopStep {
  readonly rung: StopRung;
  readonly ended: boolean;
  /** Why the rung did not end QEMU. */
  readonly problem?: string;
  readonly durationMs: number;
}

export interface StopReport {
  /** What ended QEMU; undefined when it had ended before. */
  readonly endedBy: StopRung | undefined;
  readonly steps: readonly StopStep[];
}

export interface StopTarget {
  readonly process: ProcessIdentity;
  /** An open connection; used in preference to the socket, and left open. */
  readonly qmp?: QmpConnection | undefined;
  readonly qmpSocketPath?: string | undefined;
}

export interface StopLimits {
  /** How long QEMU may take to end after `quit`, connecting included. Default 2 000. */
  readonly quitTimeoutMs?: number;
  /** After SIGTERM. Default 2 000. */
  readonly terminateTimeoutMs?: number;
  /** After SIGKILL: the kernel only has to give the memory back. Default 10 000. */
  readonly killTimeoutMs?: number;
  /** Told about every rung as it is left. */
  readonly onStep?: (step: StopStep) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Ends a QEMU. The guest is not asked: the caller tries that first.
 *
 * @throws {HostError} WL_QEMU_FAILED when the process is there even after SIGKILL, or belongs to
 *   somebody else; or the signal's reason, after which QEMU may or may not run
 */
export async function stopQemu(target: StopTarget, limits: StopLimits = {}): Promise<StopReport> {
  const { process: identity } = target;
  const { signal, onStep = () => {} } = limits;
  const { quitTimeoutMs = 2_000, terminateTimeoutMs = 2_000, killTimeoutMs = 10_000 } = limits;
  const rungs = [
    { rung: "quit", timeoutMs: quitTimeoutMs, act: (wait: Wait) => quit(target, wait) },
    { rung: "SIGTERM", timeoutMs: terminateTimeoutMs, act: () => send(identity, "SIGTERM") },
    { rung: "SIGKILL", timeoutMs: killTimeoutMs, act: () => send(identity, "SIGKILL") },
  ] as const;

  const steps: StopStep[] = [];
  if (!(await isAlive(identity))) return { endedBy: undefined, steps };
  for (const { rung, timeoutMs, act } of rungs) {
    const begin = performance.now();
    const problem = await endedWithin(identity, { timeoutMs, signal, act });
    const durationMs = Math.round(performance.now() - begin);
    const ended = problem === undefined;
    const step = { rung, ended, durationMs, ...(problem !== undefined && { problem }) };
    steps.push(step);
    onStep(step);
    if (ended) return { endedBy: rung, steps };
  }
  throw new HostError("WL_QEMU_FAILED", `Cannot end QEMU, process ${identity.pid}`, {
    next: `Look at what holds it: cat /proc/${identity.pid}/status`,
    detail: { steps },
  });
}

interface Wait {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

/** @returns undefined when the process ended in time, otherwise what went wrong */
async function endedWithin(
  identity: ProcessIdentity,
  options: {
    readonly timeoutMs: number;
    readonly signal: AbortSignal | undefined;
    readonly act: (wait: Wait) => Promise<void>;
  },
): Promise<string | undefined> {
  const { timeoutMs, signal, act } = options;
  const deadline = AbortSignal.timeout(timeoutMs);
  const stop = signal ? AbortSignal.any([deadline, signal]) : deadline;
  try {
    await act({ signal: stop, timeoutMs });
    await waitForExit(identity, { signal: stop });
    return undefined;
  } catch (error) {
    signal?.throwIfAborted();
    // Whatever the rung complained about, what counts is whether the process is there.
    if (!(await isAlive(identity))) return undefined;
    return deadline.aborted ? `still running after ${timeoutMs} ms` : (error as Error).message;
  }
}

async function quit(target: StopTarget, wait: Wait): Promise<void> {
  const { qmp, qmpSocketPath } = target;
  if (qmp?.connected) return sendQuit(qmp, wait);
  if (qmpSocketPath === undefined) throw new Error("no monitor to ask");
  await using connection = await connectQmp({ path: qmpSocketPath, ...wait });
  await sendQuit(connection, wait);
}

async function sendQuit(qmp: QmpConnection, wait: Wait): Promise<void> {
  try {
    await qmp.execute("quit", {}, wait);
  } catch (error) {
    // QEMU may hang up before its reply is out: it is on its way.
    if (!(error instanceof HostError && error.code === "WL_QMP_DISCONNECTED")) throw error;
  }
}

async function send(identity: ProcessIdentity, name: "SIGTERM" | "SIGKILL"): Promise<void> {
  await signalProcess(identity, name);
}
