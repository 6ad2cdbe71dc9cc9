/**
 * Runs the instance's program: starts it, keeps its output, reports how it ended, starts it again as
 * the restart policy says, and ends it for good when the machine is to stop.
 */
import { statSync } from "node:fs";
import { constants } from "node:os";
import type { Readable, Writable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { takePrivilegesFrom } from "../agent/child-priority.ts";
import type { Credentials, ProgramControl } from "../agent/guest-system.ts";
import { spawnAs } from "../agent/program-user.ts";
import type { JournalRecord, OutputRecord } from "../api/journal.ts";
import type { Parent } from "../api/parent.ts";
import type { ProgramPort, ProgramSpec, ProgramState, ProgramStatus } from "../api/program.ts";
import { programEnvironment } from "../api/program-environment.ts";
import { signalNumber } from "../api/signal.ts";
import { exitReason, heapLimitMib, threadHeapMib } from "./exit-reason.ts";
import { HealthMonitor } from "./health-monitor.ts";
import type { ThreadOptions } from "./program-worker.ts";

/** Waits between restarts: doubles from the first to the last, starts anew after a good run. */
const BACKOFF_FIRST_MS = 100;
const BACKOFF_LAST_MS = 30_000;
const GOOD_RUN_MS = 10_000;
/** How often a starting program's ports are looked at. */
const LISTEN_POLL_MS = 50;
/** The list of ports is read when sockets came or went, and at every so many looks. */
const LOOKS_PER_LISTING = 10;
/** One that has not listened after this is in no hurry: it is looked at less often. */
const LISTEN_EARLY_MS = 60_000;
const LISTEN_LATE_POLL_MS = 1_000;
/** Output pipes held open by a grandchild do not delay the report of the exit for longer. */
const OUTPUT_DRAIN_MS = 200;
const LAST_ERRORS_CHARACTERS = 8192;
/** Between SIGTERM and SIGKILL when the program is restarted. */
const RESTART_STOP_TIMEOUT_MS = 10_000;

export interface SupervisorOptions {
  /** Read at every start; a machine that becomes a clone may get another. */
  spec: ProgramSpec;
  /** Read at every start; `/env` changes it in place. */
  readonly environment: Record<string, string>;
  readonly resolveUser: (user: string) => Credentials;
  /** Makes ready what the program needs, before each start; what it throws is why there is none. */
  readonly prepare?: (() => void) | undefined;
  readonly record: (record: JournalRecord) => void;
  readonly output: (record: OutputRecord) => void;
  /** Ports listened on in the guest now, without the agent's. */
  readonly listeningPorts: () => ProgramPort[];
  /** Changes with nearly every change of `listeningPorts`, and is quicker to ask for. */
  readonly socketCounts: () => string;
  /** Those of them that only the guest itself reaches. */
  readonly loopbackPorts: () => ProgramPort[];
  readonly kernelLog: () => string;
  readonly memory: () => { readonly totalMib: number; readonly availableMib: number };
  readonly uptimeMs: () => number;
  /** Of a machine that is a clone. */
  readonly parent: () => Parent | null;
  /** Starts a program whose isolation is "thread". @throws {Error} saying why it cannot */
  readonly startThread?: ((options: ThreadOptions) => ProgramChild) | undefined;
  /** The program has ended and will not be started again. */
  readonly onEnded: () => void;
}

/** What there must be of a child process; node:child_process has such ones. */
export interface ProgramChild {
  /** It has no process of its own: `pid` is the agent's. */
  readonly isThread?: boolean;
  readonly pid?: number | undefined;
  readonly stdin: Writable | null;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  kill(signal: NodeJS.Signals | number): boolean;
  once(event: "error", listener: (error: Error) => void): unknown;
  once(event: "exit", listener: (code: number | null, signal: string | null) => void): unknown;
}

/** A program that was started before there was a supervisor. */
export interface EarlyChild extends ProgramChild {
  /** On the clock of `uptimeMs`. */
  startedUptimeMs(): number;
}

export class ProgramSupervisor implements ProgramControl {
  readonly #options: SupervisorOptions;
  #child: ProgramChild | undefined;
  #state: ProgramState = "starting";
  #exitCode: number | null = null;
  #signal: string | null = null;
  #reason: string | null = null;
  #restarts = 0;
  #failures = 0;
  #startedAt: Date | undefined;
  #finishedAt: Date | undefined;
  #lastErrors = "";
  #listening: ProgramPort[] = [];
  #listenTimer: NodeJS.Timeout | undefined;
  #backoffTimer: NodeJS.Timeout | undefined;
  #health: HealthMonitor | undefined;
  /** No restart, whatever the policy says: somebody asked for the end. */
  #stopping = false;
  #onSettled: () => void = () => undefined;
  /** Resolved when the restart or stop asked for last is done. */
  #changes: Promise<void> = Promise.resolve();
  /** Resolved at the end of the present run. */
  #ended: Promise<void> = Promise.resolve();

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /** Starts the program; a failure to start is an exit with status 127. */
  start(): void {
    this.#begin(new Date());
    try {
      this.#options.prepare?.();
    } catch (error) {
      this.#ended = Promise.resolve();
      this.#finish(127, null, messageOf(error));
      return;
    }
    let child: ProgramChild;
    let user: Credentials;
    try {
      user = this.#options.resolveUser(this.#options.spec.user);
      child = this.#spawn(user);
    } catch (error) {
      this.#ended = Promise.resolve();
      this.#finish(127, null, startFailure(this.#options.spec, error));
      return;
    }
    this.#own(child);
    if (child.pid === undefined) return;
    this.#state = "running";
    if (!child.isThread) takePrivilegesFrom("/proc", child.pid);
    this.#phase("program-started");
    this.#watch(user, LISTEN_POLL_MS);
  }

  /** Takes over a program that runs already, or has ended meanwhile; in place of the first `start`. */
  adopt(child: EarlyChild): void {
    const { uptimeMs } = this.#options;
    const startedMs = child.startedUptimeMs();
    this.#begin(new Date(Date.now() - uptimeMs() + startedMs));
    this.#own(child);
    this.#state = "running";
    this.#phase("program-started", startedMs);
    this.#watch(this.#userOfEarly(), 0);
  }

  /** The starter starts programs of root only, whatever the guest's user database says. */
  #userOfEarly(): Credentials {
    try {
      return this.#options.resolveUser(this.#options.spec.user);
    } catch {
      return { uid: 0, gid: 0, home: "/root" };
    }
  }

  #begin(at: Date): void {
    this.#lastErrors = "";
    this.#listening = [];
    this.#exitCode = this.#signal = this.#reason = null;
    this.#startedAt = at;
    this.#finishedAt = undefined;
    this.#state = "starting";
  }

  #spawn(user: Credentials): ProgramChild {
    const { spec, environment, memory } = this.#options;
    if (spec.isolation === "thread") return this.#startThread(user);
    const { home } = user;
    const { totalMib, availableMib } = memory();
    const heapMib = spec.isNode ? heapLimitMib(totalMib, availableMib) : undefined;
    const env = programEnvironment(environment, { home, heapMib, isNode: spec.isNode });
    return spawnAs(user, spec.argv, {
      cwd: spec.workdir,
      env,
      stdio: [spec.openStdin ? "pipe" : "ignore", "pipe", "pipe"],
      detached: true,
    });
  }

  #startThread({ uid, home }: Credentials): ProgramChild {
    const { spec, environment, memory, startThread } = this.#options;
    if (!startThread || !spec.isNode) throw new Error("only a Node program can run as a thread");
    if (uid !== process.getuid?.()) throw new Error("a thread has the agent's user, root");
    return startThread({
      argv: spec.argv,
      workdir: spec.workdir,
      environment: programEnvironment(environment, { home, heapMib: undefined, isNode: false }),
      openStdin: spec.openStdin ?? false,
      heapMib: threadHeapMib(memory().availableMib),
    });
  }

  /** Keeps its output and waits for its end. */
  #own(child: ProgramChild): void {
    this.#child = child;
    const { pid } = child;
    // A program that closed its input, or has ended, is no failure of the agent.
    child.stdin?.on("error", () => undefined);
    this.#follow(child, "stdout");
    this.#follow(child, "stderr");
    this.#ended = new Promise((resolve) => {
      child.once("error", (error) => {
        if (child.pid !== undefined) return;
        this.#finish(127, null, startFailure(this.#options.spec, error));
        resolve();
      });
      child.once("exit", (code, signal) => {
        // What it started and left behind would keep its ports and its output: the run is over as a whole.
        if (!child.isThread) endGroup(pid);
        void drained(child).then(() => {
          this.#finish(code, signal, this.#explain(pid, code, signal));
          resolve();
        });
      });
    });
  }

  #watch(user: Credentials, afterMs: number): void {
    const { health } = this.#options.spec;
    this.#watchPorts(afterMs);
    if (health) this.#watchHealth(health, user);
  }

  /** Resolves when the program listens or has ended, or after the time. */
  async settled(timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#onSettled = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#state !== "running" || this.#portsAnswer()) this.#onSettled();
    });
  }

  status(): ProgramStatus {
    const { spec } = this.#options;
    if (this.#state === "running") this.#listening = this.#options.listeningPorts();
    return {
      state: this.#state,
      pid: this.pid(),
      exitCode: this.#exitCode,
      signal: this.#signal,
      reason: this.#reason,
      restarts: this.#restarts,
      startedAt: this.#startedAt?.toISOString() ?? null,
      finishedAt: this.#finishedAt?.toISOString() ?? null,
      listening: this.#listening,
      ready: this.#isReady(),
      health: this.#health?.verdict ?? (spec.health ? "starting" : "none"),
      argv: [...spec.argv],
      workdir: spec.workdir,
      user: spec.user,
      parent: this.#options.parent(),
    };
  }

  pid(): number | null {
    return this.#child?.pid ?? null;
  }

  signal(signal: string): boolean {
    return this.#child ? send(this.#child, signal) : false;
  }

  async writeStdin(
    chunk: Buffer,
    { end, signal }: { end: boolean; signal: AbortSignal },
  ): Promise<void> {
    signal.throwIfAborted();
    const stdin = this.#child?.stdin;
    if (!stdin || stdin.destroyed || stdin.writableEnded) {
      throw new Error("The program's standard input is closed");
    }
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => reject(signal.reason);
      const done = (error?: Error | null): void => {
        signal.removeEventListener("abort", abort);
        if (error) reject(error);
        else resolve();
      };
      signal.addEventListener("abort", abort);
      if (end) stdin.end(chunk, done);
      else stdin.write(chunk, done);
    });
  }

  /** Ends the program and starts it, with all its retries before it. */
  restart({ signal }: { signal: AbortSignal }): Promise<void> {
    return this.#exclusively(async () => {
      signal.throwIfAborted();
      // From here on it is finished whatever the signal says: half a restart is a stopped program.
      await this.#end(RESTART_STOP_TIMEOUT_MS);
      this.#stopping = false;
      this.#restarts += 1;
      this.#failures = 0;
      this.start();
    });
  }

  /** Ends the program for good: its stop signal, then SIGKILL. Resolves when it has ended. */
  stop({ timeoutMs }: { timeoutMs: number }): Promise<void> {
    return this.#exclusively(() => this.#end(timeoutMs));
  }

  /** One after the other: two restarts at once would start two programs. */
  #exclusively(change: () => Promise<void>): Promise<void> {
    const done = this.#changes.then(change);
    this.#changes = done.catch(() => undefined);
    return done;
  }

  async #end(timeoutMs: number): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#backoffTimer);
    const child = this.#child;
    if (!child) {
      if (this.#state === "backoff") this.#state = "exited";
      return;
    }
    // A signal that this system does not know is left out: SIGKILL follows.
    ignoreErrors(() => send(child, this.#options.spec.stopSignal));
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    await this.#ended;
    clearTimeout(timer);
  }

  #finish(exitCode: number | null, signal: string | null, reason: string | undefined): void {
    const { spec, record, onEnded } = this.#options;
    clearTimeout(this.#listenTimer);
    this.#health?.close();
    this.#health = undefined;
    this.#child = undefined;
    this.#listening = [];
    this.#exitCode = exitCode;
    this.#signal = signal;
    this.#reason = reason ?? null;
    this.#finishedAt = new Date();
    this.#onSettled();
    const ranMs = this.#finishedAt.getTime() - (this.#startedAt?.getTime() ?? 0);
    if (ranMs >= GOOD_RUN_MS) this.#failures = 0;
    const again = !this.#stopping && mayRestart(spec, exitCode, this.#failures);
    this.#state = again ? "backoff" : "exited";
    const timeMs = this.#finishedAt.getTime();
    record({ kind: "exit", timeMs, exitCode, signal, reason: this.#reason, final: !again });
    if (!again) {
      if (!this.#stopping) onEnded();
      return;
    }
    const waitMs = Math.min(BACKOFF_LAST_MS, BACKOFF_FIRST_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#backoffTimer = setTimeout(() => {
      this.#restarts += 1;
      this.start();
    }, waitMs);
  }

  #explain(
    pid: number | undefined,
    exitCode: number | null,
    signal: string | null,
  ): string | undefined {
    const { memory } = this.#options;
    return exitReason({
      pid: pid ?? 0,
      exitCode,
      signal,
      lastErrors: this.#lastErrors,
      kernelLog: () => this.#kernelLog(),
      memoryMib: memory().totalMib,
    });
  }

  /** "" when it cannot be read: the end of the program is reported all the same. */
  #kernelLog(): string {
    try {
      return this.#options.kernelLog();
    } catch {
      return "";
    }
  }

  #follow(child: ProgramChild, stream: OutputRecord["stream"]): void {
    const decoder = new StringDecoder("utf8");
    const emit = (text: string): void => {
      if (text === "") return;
      if (stream === "stderr") {
        this.#lastErrors = (this.#lastErrors + text).slice(-LAST_ERRORS_CHARACTERS);
      }
      this.#options.output({ kind: "output", timeMs: Date.now(), stream, text });
    };
    child[stream]?.on("data", (bytes: Buffer) => emit(decoder.write(bytes)));
    child[stream]?.on("end", () => emit(decoder.end()));
    child[stream]?.on("error", () => undefined);
  }

  #watchPorts(afterMs: number): void {
    const startedMs = performance.now();
    let counts = "";
    let looks = 0;
    const look = (): void => {
      const before = counts;
      counts = this.#options.socketCounts();
      looks += 1;
      // One opened and one closed in between leave the counts as they were.
      const isDue = looks % LOOKS_PER_LISTING === 0;
      if (counts !== before || isDue) this.#listening = this.#options.listeningPorts();
      if (this.#portsAnswer()) {
        this.#phase("program-listening");
        this.#warnOfLoopback();
        this.#onSettled();
        if (!this.#options.spec.health) this.#phase("ready");
      } else {
        const isEarly = performance.now() - startedMs < LISTEN_EARLY_MS;
        this.#listenTimer = setTimeout(look, isEarly ? LISTEN_POLL_MS : LISTEN_LATE_POLL_MS);
      }
    };
    this.#listenTimer = setTimeout(look, afterMs);
  }

  /** The commonest reason why a published port does not answer. */
  #warnOfLoopback(): void {
    const ports = this.#options.loopbackPorts().filter(({ protocol }) => protocol === "tcp");
    if (ports.length === 0) return;
    const list = ports.map(({ port }) => port).join(", ");
    const text = `port ${list} is bound to 127.0.0.1, where published ports do not lead: listen on 0.0.0.0`;
    this.#options.record({ kind: "notice", timeMs: Date.now(), level: "warning", text });
  }

  #watchHealth(health: NonNullable<ProgramSpec["health"]>, user: Credentials): void {
    const { environment, record, spec } = this.#options;
    let wasReady = false;
    this.#health = new HealthMonitor({
      health,
      environment,
      workdir: spec.workdir,
      user,
      onChange: (verdict, detail) => {
        const level = verdict === "unhealthy" ? "warning" : "info";
        const text = `health: ${verdict}: ${detail}`;
        record({ kind: "notice", timeMs: Date.now(), level, text });
        if (!wasReady && this.#isReady()) {
          wasReady = true;
          this.#phase("ready");
        }
      },
    });
  }

  #portsAnswer(): boolean {
    const declared = this.#options.spec.ports;
    if (declared.length === 0) return this.#listening.some(isServerPort);
    return declared.every(({ port, protocol }) =>
      this.#listening.some((found) => found.port === port && found.protocol === protocol),
    );
  }

  #isReady(): boolean {
    if (this.#state !== "running") return false;
    return this.#options.spec.health ? this.#health?.verdict === "healthy" : this.#portsAnswer();
  }

  #phase(phase: "program-started" | "program-listening" | "ready", atUptimeMs?: number): void {
    const { record, uptimeMs } = this.#options;
    const nowMs = uptimeMs();
    const atMs = atUptimeMs ?? nowMs;
    record({ kind: "phase", timeMs: Date.now() - nowMs + atMs, phase, uptimeMs: atMs });
  }
}

/** Linux gives clients' UDP sockets ports from 32768 up (ip_local_port_range); they serve nobody. */
function isServerPort({ port, protocol }: ProgramPort): boolean {
  return protocol === "tcp" || port < 32_768;
}

function mayRestart(spec: ProgramSpec, exitCode: number | null, failures: number): boolean {
  const { policy, maxRetries } = spec.restart;
  if (policy === "no" || (policy === "on-failure" && exitCode === 0)) return false;
  return maxRetries === 0 || failures < maxRetries;
}

/** Ends what is left of the child's process group; a daemon has a session, and so a group, of its own. */
function endGroup(pid: number | undefined): void {
  if (pid !== undefined) ignoreErrors(() => process.kill(-pid, "SIGKILL"));
}

/** @returns whether it could be sent. @throws for a signal that there is not */
function send(child: ProgramChild, signal: string): boolean {
  const number = signalNumber(signal);
  const isNodes = number === undefined || Object.hasOwn(constants.signals, signal);
  if (isNodes || child.isThread || child.pid === undefined)
    return child.kill(signal as NodeJS.Signals);
  // Node sends its children no real-time signals, but it knows whether the process is still theirs.
  return child.kill(0) && process.kill(child.pid, number);
}

/** Resolves when the child's output has been read to its end, or after OUTPUT_DRAIN_MS. */
async function drained(child: ProgramChild): Promise<void> {
  const ends = [child.stdout, child.stderr].map(
    (stream) =>
      new Promise<void>((resolve) => {
        if (!stream || stream.readableEnded || stream.destroyed) resolve();
        else stream.once("close", resolve);
      }),
  );
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, OUTPUT_DRAIN_MS);
  });
  await Promise.race([Promise.all(ends), late]);
  clearTimeout(timer);
}

/** A missing working directory is reported as if the program were missing (spawn(2) of libuv). */
function startFailure({ argv, workdir }: ProgramSpec, error: unknown): string {
  let isFolder = false;
  ignoreErrors(() => {
    isFolder = statSync(workdir).isDirectory();
  });
  const why = isFolder ? messageOf(error) : `there is no folder "${workdir}" to run it in`;
  return `Cannot start "${argv[0]}": ${why}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function ignoreErrors(action: () => void): void {
  try {
    action();
  } catch {
    // The process may have ended already.
  }
}
