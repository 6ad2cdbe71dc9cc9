/**
 * A QEMU process: started in a session of its own, so that it outlives the program that started it
 * and no terminal's Ctrl-C reaches it. Started means: its monitor answers.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { type FileHandle, open, rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { HostError } from "../errors.ts";
import { beginQmp, type QmpConnection } from "../qmp/connection.ts";
import { outcome } from "../qmp/deadline.ts";
import type { QmpWait } from "../qmp/session.ts";
import type { QemuBinary } from "./binary.ts";
import { hasChannel, qemuArguments } from "./command-line.ts";
import { explainQemuFailure, type QemuExit } from "./failure.ts";
import { INHERITED_FD, type Machine } from "./machine.ts";
import { identifyChild, type ProcessIdentity } from "./process-identity.ts";

/** A QEMU whose monitor does not answer for so long hangs: on a busy host that is emulated itself, one took over 10 s. */
export const QEMU_START_TIMEOUT_MS = 20_000;
/** How much of the end of QEMU's output is looked at. */
const STDERR_TAIL_BYTES = 16 * 1024;

export interface QemuStart {
  readonly binary: Pick<QemuBinary, "path">;
  /** Receives what QEMU says on stderr; appended to. */
  readonly stderrLogPath: string;
  /**
   * A descriptor that already holds a flock(2) lock. QEMU inherits it, so that the lock lives exactly
   * as long as QEMU or this process, whichever is longer.
   */
  readonly lockFd?: number | undefined;
  /** One more descriptor to inherit. */
  readonly stateFd?: number | undefined;
  /** Killed when this program ends, however it does: setpriv(1), prctl(2) PR_SET_PDEATHSIG. */
  readonly diesWithUs?: boolean | undefined;
  /** Leaves the vCPUs stopped until the QMP command `cont`. */
  readonly paused?: boolean | undefined;
  /** Commands that are sent with the first one, before QEMU is there to answer; the start waits for their outcome. */
  readonly first?: ((qmp: QmpConnection, wait: QmpWait) => Promise<unknown>) | undefined;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A monitor beside the one that listens: a pair of sockets, of which QEMU inherits one. It needs no path that must
 * appear first, and no waiting.
 */
const FIRST_MONITOR = [
  ...["-chardev", `socket,id=first-monitor,fd=${INHERITED_FD.monitor},server=off`],
  ...["-mon", "chardev=first-monitor,mode=control"],
];

/** What is saved does not say whether it ran: it goes on where it is loaded, unless that QEMU was started paused. */
const STATE_RUNS = ["-global", "migration.store-global-state=off"];

export interface QemuProcess extends ProcessIdentity {
  /** Open; the caller closes it. QEMU goes on when it is closed. */
  readonly qmp: QmpConnection;
  /** Of a machine with such a port. The caller destroys it; QEMU sees it closed then, and when this program ends. */
  readonly channel?: Socket | undefined;
  /** Fulfilled when QEMU has ended; alone, it does not keep this program alive. */
  readonly exited: Promise<QemuExit>;
  /**
   * Waits until QEMU has ended and keeps this program alive meanwhile.
   *
   * @throws the signal's reason
   */
  waitForExit(options?: { readonly signal?: AbortSignal | undefined }): Promise<QemuExit>;
}

/**
 * Starts a machine and waits until its monitor answers. On any failure no process is left behind.
 *
 * @throws {HostError} WL_QEMU_FAILED with QEMU's last output, WL_PORT_UNAVAILABLE,
 *   WL_ACCELERATOR_UNAVAILABLE, WL_QEMU_UNAVAILABLE, WL_HOST_IO; or the signal's reason
 */
export async function startQemu(machine: Machine, request: QemuStart): Promise<QemuProcess> {
  // One of its own: many things of one start are waited for at once, and many starts have the same caller.
  const signal = request.signal && AbortSignal.any([request.signal]);
  const start: QemuStart = { ...request, signal };
  const own = [...FIRST_MONITOR, ...STATE_RUNS, ...(start.paused ? ["-S"] : [])];
  const argv = [...qemuArguments(machine), ...own];
  const channel = hasChannel(machine) ? "pipe" : "ignore";
  signal?.throwIfAborted();
  // A socket left by a dead QEMU would only be refused, but one must never be mistaken for ours.
  await rm(machine.qmpSocketPath, { force: true });
  const log = await openLog(start.stderrLogPath);
  try {
    const { size: logStart } = await log.stat();
    const { child, identity, exited } = await launch(start, argv, { log, channel });
    try {
      const qmp = await firstMonitorAnswer(child, { ...start, exited, log, logStart });
      child.unref();
      const waitForExit: QemuProcess["waitForExit"] = (wait) => keepAlive(child, exited, wait);
      return { ...identity, qmp, channel: channelOf(child), exited, waitForExit };
    } catch (error) {
      channelOf(child)?.destroy();
      child.kill("SIGKILL");
      await exited;
      throw error;
    }
  } finally {
    await log.close();
  }
}

async function keepAlive(
  child: ChildProcess,
  exited: Promise<QemuExit>,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<QemuExit> {
  child.ref();
  try {
    return await outcome(exited, { signal });
  } finally {
    child.unref();
  }
}

async function openLog(path: string): Promise<FileHandle> {
  try {
    // Read as well as appended: the tail is quoted when QEMU fails.
    return await open(path, "a+", 0o600);
  } catch (cause) {
    throw new HostError(
      "WL_HOST_IO",
      `Cannot write QEMU's log "${path}": ${(cause as Error).message}`,
      { next: "Check that the folder exists and that the disk is not full" },
      cause,
    );
  }
}

interface Launched {
  readonly child: ChildProcess;
  readonly identity: ProcessIdentity;
  readonly exited: Promise<QemuExit>;
}

function launch(
  { binary, lockFd, stateFd, diesWithUs }: QemuStart,
  argv: readonly string[],
  { log, channel }: { readonly log: FileHandle; readonly channel: "pipe" | "ignore" },
): Promise<Launched> {
  const guard = diesWithUs ? ["setpriv", "--pdeathsig", "SIGKILL"] : [];
  const [program = "", ...words] = [...guard, binary.path, ...argv];
  // INHERITED_FD has their order.
  const inherited = [lockFd ?? "ignore", stateFd ?? "ignore", channel, "pipe"] as const;
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, {
      detached: true,
      cwd: "/",
      stdio: ["ignore", "ignore", log.fd, ...inherited],
    });
    const exited = new Promise<QemuExit>((ended) => {
      child.once("exit", (exitCode, signal) => ended({ exitCode, signal }));
    });
    child.on("error", (cause) => {
      const message = `Cannot start "${program}": ${cause.message}`;
      const next = "Install it: apt-get install qemu-system-x86";
      reject(new HostError("WL_QEMU_UNAVAILABLE", message, { next }, cause));
    });
    if (child.pid === undefined) return;
    // A QEMU that ends takes its ends with it.
    for (const socket of [channelOf(child), monitorOf(child)]) socket?.on("error", () => undefined);
    resolve({ child, identity: identifyChild(child.pid), exited });
  });
}

/** What Node calls a pipe is a pair of sockets. */
function channelOf({ stdio }: ChildProcess): Socket | undefined {
  return (stdio[INHERITED_FD.channel] as Socket | null) ?? undefined;
}

function monitorOf({ stdio }: ChildProcess): Socket {
  return stdio[INHERITED_FD.monitor] as Socket;
}

async function firstMonitorAnswer(
  child: ChildProcess,
  context: QemuStart & {
    readonly exited: Promise<QemuExit>;
    readonly log: FileHandle;
    readonly logStart: number;
  },
): Promise<QmpConnection> {
  const { exited, log, logStart, signal, timeoutMs = QEMU_START_TIMEOUT_MS, first } = context;
  const socket = monitorOf(child);
  const { qmp, negotiated } = beginQmp(socket, "its first monitor", { signal, timeoutMs });
  const more = first?.(qmp, { signal });
  more?.catch(() => undefined); // Looked at below.
  try {
    await negotiated;
  } catch (error) {
    signal?.throwIfAborted();
    if (!isTimeout(error)) throw await explained(error, exited, { log, logStart, timeoutMs });
    throw new HostError(
      "WL_QEMU_FAILED",
      `QEMU's monitor did not answer in ${timeoutMs} ms`,
      { next: "Check the load of this host, and try again" },
      error,
    );
  }
  try {
    await more;
  } catch (error) {
    await qmp.close();
    throw error;
  }
  return qmp;
}

/** A monitor that hangs up belongs to a QEMU that ends, and that says why. */
async function explained(
  error: unknown,
  exited: Promise<QemuExit>,
  { log, logStart, timeoutMs }: { log: FileHandle; logStart: number; timeoutMs: number },
): Promise<unknown> {
  if (!isDisconnect(error)) return error;
  const exit = await Promise.race([exited, delay(timeoutMs, undefined, { ref: false })]);
  return exit ? await failure(exit, log, logStart) : error;
}

function isTimeout(error: unknown): boolean {
  return error instanceof HostError && error.code === "WL_QMP_TIMEOUT";
}

function isDisconnect(error: unknown): boolean {
  return error instanceof HostError && error.code === "WL_QMP_DISCONNECTED";
}

/** What this QEMU, and not an earlier one, wrote last. */
async function failure(exit: QemuExit, log: FileHandle, logStart: number): Promise<HostError> {
  const { size } = await log.stat();
  const from = Math.max(logStart, size - STDERR_TAIL_BYTES);
  const tail = Buffer.alloc(Math.max(0, size - from));
  const { bytesRead } = await log.read(tail, 0, tail.length, from);
  return explainQemuFailure(tail.toString("utf8", 0, bytesRead), exit);
}
