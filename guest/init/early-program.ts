/**
 * The program as a child that this process started before it became the agent (guest/api/starter.ts). Node does not
 * wait for such children, so the system is asked whenever one of all children has ended.
 */
import { EventEmitter } from "node:events";
import { readFileSync } from "node:fs";
import { Socket } from "node:net";
import { getSystemErrorName } from "node:util";
import { signalName } from "../api/signal.ts";
import { STARTED_FD, STARTED_PATH } from "../api/starter.ts";
import type { NativeLibrary } from "../syscalls/koffi.ts";

/** Linux's USER_HZ: the unit of start times in /proc/PID/stat (proc(5)). */
const TICK_MS = 10;
const WORD_BYTES = 8;
/** waitpid(2): do not wait. */
const WNOHANG = 1;
/** Of a program that could not be started, as shells have it. */
const NOT_STARTED = 127;

/** The child's side of the system. */
export interface ChildWait {
  /** @returns the status as waitpid(2) has it; undefined while the child runs */
  collect(pid: number): number | undefined;
  /** What the child left in STARTED_PATH. */
  report(): Buffer;
}

/** @returns undefined when the program is the agent's to start */
export function earlyPid(): number | undefined {
  let report: Buffer;
  try {
    report = readFileSync(STARTED_PATH);
  } catch {
    return undefined;
  }
  const pid = report.length < WORD_BYTES ? 0n : report.readBigInt64LE(0);
  return pid > 0n ? Number(pid) : undefined;
}

export function childWait({ libc }: NativeLibrary): ChildWait {
  const waitpid = libc.func("int waitpid(int pid, void *status, int options)");
  const status = Buffer.alloc(4);
  return {
    collect: (pid) => (waitpid(pid, status, WNOHANG) === pid ? status.readInt32LE(0) : undefined),
    report: () => readFileSync(STARTED_PATH),
  };
}

/** Emits "exit" or "error", as a ChildProcess of node:child_process. */
export class EarlyProgram extends EventEmitter {
  /** undefined when it could not be started, which may turn out later. */
  pid: number | undefined;
  readonly stdin = null;
  readonly stdout: Socket;
  readonly stderr: Socket;
  readonly #wait: ChildWait;

  constructor(
    pid: number,
    wait: ChildWait,
    descriptors: { readonly stdout: number; readonly stderr: number } = STARTED_FD,
  ) {
    super();
    this.pid = pid;
    this.#wait = wait;
    this.stdout = new Socket({ fd: descriptors.stdout, readable: true, writable: false });
    this.stderr = new Socket({ fd: descriptors.stderr, readable: true, writable: false });
    process.on("SIGCHLD", this.#look);
    // It may have ended before anybody listened.
    setImmediate(this.#look);
  }

  /** When it was started, on the clock of /proc/uptime. */
  startedUptimeMs(): number {
    const stat = readFileSync(`/proc/${this.pid}/stat`, "latin1");
    // The second field is the name, which may hold anything; starttime is field 22.
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]) * TICK_MS;
  }

  /** @returns whether it could be sent. @throws for a signal that there is not */
  kill(signal: NodeJS.Signals | number): boolean {
    if (this.pid === undefined) return false;
    try {
      return process.kill(this.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
      throw error;
    }
  }

  readonly #look = (): void => {
    if (this.pid === undefined) return;
    const status = this.#wait.collect(this.pid);
    if (status === undefined) return;
    process.off("SIGCHLD", this.#look);
    const pid = this.pid;
    this.pid = undefined;
    const { exitCode, signal } = decodeStatus(status);
    const errno = exitCode === NOT_STARTED ? this.#startError() : undefined;
    if (errno !== undefined) this.emit("error", new Error(`spawn ${getSystemErrorName(errno)}`));
    else this.emit("exit", exitCode, signal, pid);
  };

  #startError(): number | undefined {
    const report = this.#wait.report();
    return report.length < 2 * WORD_BYTES ? undefined : Number(report.readBigInt64LE(WORD_BYTES));
  }
}

/** wait(2): the low seven bits are the signal that ended it, the next byte is its exit status. */
export function decodeStatus(status: number): {
  readonly exitCode: number | null;
  readonly signal: string | null;
} {
  const number = status & 0x7f;
  if (number === 0) return { exitCode: (status >> 8) & 0xff, signal: null };
  return { exitCode: null, signal: signalName(number) ?? `SIG${number}` };
}
