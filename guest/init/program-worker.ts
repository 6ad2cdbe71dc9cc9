/**
 * The program as a worker thread of this process (`isolation: thread`), with the face of a child process. What a
 * thread has otherwise: signals are events that the worker is told of, its user and its process id are the agent's,
 * and processes that it started live on when it ends.
 */
import { EventEmitter } from "node:events";
import { constants } from "node:os";
import { PassThrough, type Writable } from "node:stream";
import { inspect } from "node:util";
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { signalName, signalNumber } from "../api/signal.ts";
import {
  type SignalMessage,
  THREAD_FILE,
  type ThreadStart,
  threadCommand,
} from "../api/thread-program.ts";
import type { OpenOutput, ProgramOutput } from "./output-pipe.ts";

/** Signals that do nothing to a thread when nobody listens: signal(7)'s "Ign", and those that stop and continue. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set([
  ...["SIGCHLD", "SIGCONT", "SIGURG", "SIGWINCH"],
  ...["SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU"],
]);
const HEAP_FLAG = /^--max[-_]old[-_]space[-_]size=(\d+)$/;
/** As wait(2) has it: what is above is lost. */
const EXIT_CODE_MASK = 0xff;
const OUT_OF_MEMORY = "ERR_WORKER_OUT_OF_MEMORY";

export interface ThreadOptions {
  readonly argv: readonly string[];
  readonly workdir: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly openStdin: boolean;
  /** V8's limit for the program's own heap. */
  readonly heapMib: number;
}

export interface ThreadMeans {
  readonly openOutput: OpenOutput;
  /** THREAD_FILE, unless it is elsewhere. */
  readonly file?: string;
}

/** Emits "exit", as a ChildProcess of node:child_process. */
export class ProgramWorker extends EventEmitter {
  readonly isThread = true;
  /** This process's. */
  readonly pid = process.pid;
  readonly stdin: Writable | null;
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();
  readonly #worker: Worker;
  readonly #signals: MessagePort;
  readonly #output: ProgramOutput;
  #endedBy: string | undefined;
  #hasExited = false;
  /** What Node would have written to standard error as its last words. */
  #lastWords = "";

  /** @throws {Error} when there is no such folder, or Node cannot have a worker with these flags */
  constructor(options: ThreadOptions, { openOutput, file = THREAD_FILE }: ThreadMeans) {
    super();
    const { flags, script, args } = threadCommand(options.argv);
    const heapFlag = flags.findLast((flag) => HEAP_FLAG.test(flag));
    const heapMib = Number(HEAP_FLAG.exec(heapFlag ?? "")?.[1] ?? options.heapMib);
    // There is one for all threads; the agent itself names all files from the root.
    process.chdir(options.workdir);
    const { port1: ours, port2: theirs } = new MessageChannel();
    this.#signals = ours;
    this.#output = openOutput();
    const { descriptors } = this.#output;
    try {
      this.#worker = new Worker(file, {
        argv: [...args],
        env: { ...options.environment },
        execArgv: flags.filter((flag) => !HEAP_FLAG.test(flag)),
        workerData: { script, signals: theirs, output: descriptors } satisfies ThreadStart,
        transferList: [theirs],
        resourceLimits: { maxOldGenerationSizeMb: heapMib },
        ...{ stdin: options.openStdin, stdout: true, stderr: true },
      });
    } catch (error) {
      ours.close();
      this.#output.end();
      throw error;
    }
    this.stdin = this.#worker.stdin;
    this.#follow();
  }

  /** @returns whether the thread runs. @throws for a signal that there is not */
  kill(signal: NodeJS.Signals | number): boolean {
    const name = typeof signal === "number" ? signalName(signal) : signal;
    if (name === undefined || signalNumber(name) === undefined)
      throw new TypeError(`Unknown signal: ${signal}`);
    if (this.#hasExited) return false;
    // No program of Node's can listen for these.
    if (name === "SIGKILL" || !Object.hasOwn(constants.signals, name)) this.#end(name);
    else this.#signals.postMessage({ signal: name } satisfies SignalMessage);
    return true;
  }

  #follow(): void {
    const worker = this.#worker;
    // Node's own streams of the worker, which nothing is written to.
    worker.stdout.resume();
    worker.stderr.resume();
    this.#signals.on("message", ({ signal, isOwn = false }: SignalMessage) => {
      if (isOwn) this.kill(signal as NodeJS.Signals);
      else if (!WITHOUT_EFFECT.has(signal)) this.#end(signal);
    });
    this.#output.stdout.pipe(this.stdout);
    this.#output.stderr.pipe(this.stderr, { end: false });
    this.#output.stderr.once("close", () => this.stderr.end(this.#lastWords));
    worker.once("error", (error: NodeJS.ErrnoException) => {
      this.#lastWords =
        error?.code === OUT_OF_MEMORY
          ? "FATAL ERROR: JavaScript heap out of memory\n"
          : `${error?.stack ?? inspect(error)}\n\nNode.js ${process.version}\n`;
    });
    worker.once("exit", (code) => {
      this.#hasExited = true;
      this.#signals.close();
      this.#output.end();
      const signal = this.#endedBy ?? null;
      this.emit("exit", signal === null ? code & EXIT_CODE_MASK : null, signal);
    });
  }

  #end(signal: string): void {
    this.#endedBy ??= signal;
    void this.#worker.terminate();
  }
}
