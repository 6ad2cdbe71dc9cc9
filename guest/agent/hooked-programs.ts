/**
 * Programs that take part in being cloned (guest/program/preload.ts): on a signal they run their hooks, say
 * so in a file, and wait for a record in a FIFO, which the wake helper writes in the clone.
 */
import {
  chmodSync,
  closeSync,
  existsSync,
  type FSWatcher,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  watch,
  writeSync,
} from "node:fs";
import { constants } from "node:os";
import {
  ARM_SIGNAL,
  ARMED_FOLDER,
  PRELOAD_FILE,
  REHEARSAL_FOLDER,
  WAKE_FIFO,
  WAKE_RECORD_BYTES,
  WINDLASS_RUN_FOLDER,
} from "../api/wake-channel.ts";
import type { WakeRecord } from "../api/wake-record.ts";
import { AgentError } from "./agent-error.ts";
import type { GateSystem } from "./template-gate.ts";

const ARMED = `${WINDLASS_RUN_FOLDER}/${ARMED_FOLDER}`;
/** Of a template that came to nothing. */
const GIVEN_UP = `${ARMED}.given-up`;
const REHEARSAL = `${WINDLASS_RUN_FOLDER}/${REHEARSAL_FOLDER}`;
const FIFO = `${WINDLASS_RUN_FOLDER}/${WAKE_FIFO}`;

/** kthreadd */
const KERNEL_THREADS_PARENT = 2;
/** SIGRTMAX (signal(7)): Node listens to no real-time signal; Go, which catches whatever there is, does. */
const LAST_SIGNAL = 64;

/** What a program says of its hooks. */
interface ArmedFile {
  readonly error?: string;
}

export class HookedPrograms {
  readonly #system: GateSystem;
  #fifo: number | undefined;
  /** Made by the rehearsal, and nothing was ever in it. */
  #isFifoNew = false;
  #held: readonly number[] = [];
  /** Threads of the kernel, most of what is in /proc: known from the rehearsal. */
  readonly #kernelThreads = new Set<number>();

  constructor(system: GateSystem) {
    this.#system = system;
  }

  /** Process ids of those that wait. */
  get held(): readonly number[] {
    return this.#held;
  }

  /** Where the records are written to; there since `hold`. */
  get fifo(): number {
    if (this.#fifo === undefined) throw new TypeError("nothing is held");
    return this.#fifo;
  }

  /** Does what `hold` does, but for nobody; then has the programs rehearse, beside whatever else they do. */
  async rehearse(wait: { timeoutMs: number; signal: AbortSignal }): Promise<void> {
    makeFolder(ARMED);
    this.#openFifo();
    this.#isFifoNew = true;
    await this.#armed([], wait);
    rmSync(ARMED, { recursive: true, force: true });
    makeFolder(REHEARSAL);
    this.tell();
  }

  /** Has the programs do what can be done before somebody waits for them to be held. */
  tell(): void {
    for (const pid of this.#hookedProcesses()) ignoreErrors(() => process.kill(pid, ARM_SIGNAL));
  }

  /**
   * Runs all hooks and waits until every program that has some waits.
   *
   * @throws {AgentError} 409 when one failed or took too long; then all of them run on
   */
  async hold(wait: { timeoutMs: number; signal: AbortSignal }): Promise<readonly number[]> {
    if (!this.#isFifoNew) {
      makeFolder(REHEARSAL);
      this.#openFifo();
    }
    this.#isFifoNew = false;
    makeFolder(ARMED);
    try {
      const pids = this.#hookedProcesses();
      this.#kernelThreads.clear(); // Their ids may be a program's next time.
      this.#held = await this.#armed(pids, wait);
      return this.#held;
    } catch (error) {
      this.release();
      throw error;
    }
  }

  /** Lets those that wait go on as they were. */
  release(): void {
    // Whoever has not reported by now finds no folder, and does not wait.
    ignoreErrors(() => renameSync(ARMED, GIVEN_UP));
    const waiting = namesIn(GIVEN_UP).filter(
      (pid) => outcomeIn(GIVEN_UP, pid)?.error === undefined,
    );
    const record = Buffer.alloc(WAKE_RECORD_BYTES, " ");
    record.write(JSON.stringify({ kind: "resume" } satisfies WakeRecord));
    for (const _pid of waiting) writeSync(this.fifo, record);
    this.#held = [];
    rmSync(GIVEN_UP, { recursive: true, force: true });
  }

  /** They have gone on. What this runs, every clone runs while its program wants the CPU. */
  forget(): void {
    for (const pid of this.#held) ignoreErrors(() => unlinkSync(`${ARMED}/${pid}`));
    ignoreErrors(() => rmdirSync(ARMED));
    this.#held = [];
  }

  async #armed(
    pids: readonly number[],
    { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
  ): Promise<readonly number[]> {
    const waiting = new Set(pids);
    const armed: number[] = [];
    let watcher: FSWatcher | undefined;
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        const look = (): void => {
          for (const pid of waiting) {
            const outcome = outcomeIn(ARMED, pid);
            if (outcome?.error !== undefined) reject(hookFailed(pid, outcome.error));
            else if (outcome) armed.push(pid);
            // One that has ended meanwhile is not waited for.
            if (outcome || !existsSync(`/proc/${pid}`)) waiting.delete(pid);
          }
          if (waiting.size === 0) resolve();
        };
        watcher = watch(ARMED, look);
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
        timer = setTimeout(() => {
          reject(hookFailed([...waiting][0] ?? 0, `it did not end in ${timeoutMs} ms`));
        }, timeoutMs);
        for (const pid of pids) ignoreErrors(() => process.kill(pid, ARM_SIGNAL));
        look();
      });
      return armed;
    } finally {
      clearTimeout(timer);
      watcher?.close();
    }
  }

  /** All Node processes with our preload file. */
  #hookedProcesses(): number[] {
    const pids = readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name));
    return pids.map(Number).filter((pid) => {
      if (pid === process.pid || this.#kernelThreads.has(pid)) return false;
      const status = statusOf(pid);
      if (parentOf(status) === KERNEL_THREADS_PARENT) this.#kernelThreads.add(pid);
      return catchesHookSignal(status) && hasPreloadFile(environmentOf(pid));
    });
  }

  /** Anew for every template: what is left in one would wake the next that waits. */
  #openFifo(): void {
    if (this.#fifo !== undefined) closeSync(this.#fifo);
    rmSync(FIFO, { force: true });
    this.#system.makeFifo(FIFO, 0o644);
    chmodSync(FIFO, 0o644);
    // For both: opened for writing only, it would wait for a reader.
    this.#fifo = openSync(FIFO, "r+");
  }
}

/** /proc/PID/status (proc(5)); "" when it has ended. */
function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "latin1");
  } catch {
    return "";
  }
}

function parentOf(status: string): number {
  return Number(/^PPid:\s*(\d+)/m.exec(status)?.[1]);
}

/** As it was when the program was started: /proc/PID/environ (proc(5)). */
function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1");
  } catch {
    return "";
  }
}

/**
 * Whether a process listens for the hooks' signal, as the preload file does. Any other one would take it as the
 * end, or as nothing, and never report.
 *
 * @param status of /proc: SigCgt, the signals that it catches
 */
export function catchesHookSignal(status: string): boolean {
  const caught = BigInt(`0x${/^SigCgt:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0"}`);
  const catches = (signal: number): boolean => ((caught >> BigInt(signal - 1)) & 1n) === 1n;
  return catches(constants.signals[ARM_SIGNAL]) && !catches(LAST_SIGNAL);
}

/** A Node program's children inherit it, whatever they are: it alone does not tell. */
export function hasPreloadFile(environment: string): boolean {
  return environment
    .split("\0")
    .some((one) => one.startsWith("NODE_OPTIONS=") && one.includes(PRELOAD_FILE));
}

/** The programs' users write there; mkdir(2) heeds the umask. */
function makeFolder(path: string): void {
  mkdirSync(path, { recursive: true });
  chmodSync(path, 0o1777);
}

/** Process ids: a report that is being written begins with a dot. */
function namesIn(folder: string): string[] {
  let names: string[] = [];
  ignoreErrors(() => {
    names = readdirSync(folder).filter((name) => /^[0-9]+$/.test(name));
  });
  return names;
}

/** undefined while there is no report. */
function outcomeIn(folder: string, pid: number | string): ArmedFile | undefined {
  try {
    return JSON.parse(readFileSync(`${folder}/${pid}`, "utf8"));
  } catch {
    return undefined;
  }
}

function hookFailed(pid: number, why: string): AgentError {
  return new AgentError("WL_AGENT_CONFLICT", `The hook of process ${pid} failed: ${why}`);
}

function ignoreErrors(action: () => void): void {
  try {
    action();
  } catch {
    // The process may have ended.
  }
}
