/**
 * The gate between a template and its clones, seen from the guest. Before: the programs' hooks run, and
 * programs that have some wait in them. Then a small helper stops everything (wake-helper.ts of the image
 * builder) and waits for the wake message; the host saves the machine. After: the helper has set clock,
 * entropy, address and host name, and everything runs on, but for the agent: it stands still until there is
 * something for it to do, and then learns who it is now. Most clones' agents are never asked anything.
 */
import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { closeSync, openSync, read, readSync, unlinkSync, writeFileSync } from "node:fs";
import { setPriority } from "node:os";
import { promisify } from "node:util";
import type { ProgramHooks } from "../api/program-hooks.ts";
import type { WakeDocument } from "../api/template.ts";
import { WINDLASS_RUN_FOLDER } from "../api/wake-channel.ts";
import type { WakeRecord } from "../api/wake-record.ts";
import { AgentError } from "./agent-error.ts";
import type { ProgramControl } from "./guest-system.ts";
import { HookedPrograms } from "./hooked-programs.ts";
import { runAfterHooks, runBeforeHooks } from "./program-hooks.ts";

const HELPER = "/sbin/windlass-wake";
const STAND_IN = "/sbin/windlass-tty";
/** FIFO that holds this process up. */
const RELEASE = `${WINDLASS_RUN_FOLDER}/release`;
/** Process ids for the helper. */
const PROCESSES = `${WINDLASS_RUN_FOLDER}/processes`;
/** A line of the host's that is longer is none of its. */
const DOCUMENT_BYTES_MAX = 1024 * 1024;
const READ_BYTES = 64 * 1024;
/** The least there is: setpriority(2). */
const WAKING_PRIORITY = 19;

const readBytes = promisify(read);

/** What the gate needs from the machine. */
export interface GateSystem {
  /** Opens the wake port: a descriptor for reading. @throws when the machine has none */
  openWakePort(): number;
  /** Descriptor that the journal is written to. */
  readonly journalFd: number;
  /** Descriptor that is readable when this process has something to do; undefined when it is not known. */
  eventFd(): number | undefined;
  /** No SIGCHLD for children that stop or continue: this process would have something to do. */
  ignoreStoppedChildren(): void;
  /** mkfifo(3) */
  makeFifo(path: string, mode: number): void;
}

export interface TemplateGateOptions {
  readonly system: GateSystem;
  readonly program: Pick<ProgramControl, "pid">;
  /** Of the program, as a signal or request. */
  readonly hooks?: ProgramHooks | undefined;
  /** Why this machine cannot become a template, in words. */
  readonly refusal?: string | undefined;
  /** Who this machine is. */
  readonly identity: () => WakeDocument;
  /** Whether the agent has something to do in a clone before it is asked. */
  readonly isNeeded: () => boolean;
  /** Called when everything runs again, as whoever the document says; for a rehearsal as who it is already. */
  readonly onWake: (document: WakeDocument) => void;
  /** Called after `onWake` when the machine's identity was set over REST: the helper says so otherwise. */
  readonly onSet: () => void;
  /** While the machine may be another one and this process does not know yet: requests wait for it. */
  waking?: Promise<void> | undefined;
  readonly onFailure: (error: unknown) => void;
}

export interface PrepareOptions {
  /** For the hooks. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export class TemplateGate {
  readonly #options: TemplateGateOptions;
  readonly #programs: HookedPrograms;
  #port: number | undefined;
  #events: number | undefined;
  #isBusy = false;

  constructor(options: TemplateGateOptions) {
    this.#options = options;
    this.#programs = new HookedPrograms(options.system);
  }

  /**
   * Does once without effect what a clone does when it wakes: V8 compiles a function when it is first
   * called, and every clone would have to. The programs rehearse beside.
   */
  async rehearse(wait: { timeoutMs: number; signal: AbortSignal }): Promise<void> {
    const { system, identity, onFailure } = this.#options;
    const script = `${WINDLASS_RUN_FOLDER}/rehearsal/agent`;
    try {
      this.#port ??= system.openWakePort();
      this.#eventFd();
      await this.#programs.rehearse(wait);
      writeFileSync(script, `${JSON.stringify(identity())}\n`);
      const fd = openSync(script, "r");
      try {
        await new Promise<void>((resolve) => {
          // Any program that ends at once does.
          const { helper, release } = this.#spawnHelper(STAND_IN);
          this.#follow(helper, { fd, isRehearsal: true, done: resolve });
          untilEnd(release);
          closeSync(release);
        });
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      onFailure(error); // Clones are slower then.
    }
  }

  /** Before the machine rests, and is saved then. */
  rest(): void {
    this.#programs.tell();
  }

  /**
   * Runs the hooks of all programs that have some.
   *
   * @returns the processes that wait in their hook
   * @throws {AgentError} 409 when a hook failed or took too long; then all programs run on
   */
  async prepare({ timeoutMs, signal }: PrepareOptions): Promise<readonly number[]> {
    if (this.#isBusy)
      throw new AgentError("WL_AGENT_CONFLICT", "A template is being taken already");
    const { refusal } = this.#options;
    if (refusal !== undefined) throw new AgentError("WL_AGENT_CONFLICT", refusal);
    this.#isBusy = true;
    const { system } = this.#options;
    try {
      this.#port ??= system.openWakePort();
      const { hooks, program } = this.#options;
      const pid = hooks ? program.pid() : null;
      await runBeforeHooks({ spec: { hooks }, pid: pid ?? 0, signal, timeoutMs });
      return await this.#programs.hold({ timeoutMs, signal });
    } catch (error) {
      this.#isBusy = false;
      throw error;
    }
  }

  /** Stops everything, this process too. The helper says in the journal when that is so. */
  arm(): void {
    // In a clone the program goes first: the agent's part takes as long as the program's first answer.
    setPriority(WAKING_PRIORITY);
    const { helper, release } = this.#spawnHelper(HELPER);
    let settle = (): void => undefined;
    this.#options.waking = new Promise((resolve) => {
      settle = resolve;
    });
    const done = (): void => {
      setPriority(0);
      this.#isBusy = false;
      this.#options.waking = undefined;
      settle();
    };
    this.#follow(helper, { fd: this.#port ?? -1, isRehearsal: false, done });
    // Nothing of this process runs from here until the helper has ended: a request that it had begun with
    // would wait for ever.
    untilEnd(release);
    closeSync(release);
  }

  /** @returns the process, and a descriptor whose end is the process's */
  #spawnHelper(path: string): { helper: ChildProcess; release: number } {
    const { system } = this.#options;
    const { fifo, held } = this.#programs;
    const { program, hooks, isNeeded } = this.#options;
    writeFileSync(PROCESSES, BigUint64Array.from([program.pid() ?? 0, ...held], BigInt));
    const processes = openSync(PROCESSES, "r");
    const nothing = openSync("/dev/null", "r"); // Can always be read.
    const events = hooks?.afterClone || isNeeded() ? undefined : this.#eventFd();
    // Ends when the helper, which has the only descriptor to write to, does, however that comes.
    system.makeFifo(RELEASE, 0o600);
    const helpers = openSync(RELEASE, "r+");
    const release = openSync(RELEASE, "r");
    unlinkSync(RELEASE);
    const stdio: StdioOptions = [
      ...([this.#port ?? "ignore", system.journalFd, "inherit", fifo, processes] as const),
      ...[events ?? nothing, helpers],
    ];
    const helper = spawn(path, { stdio });
    for (const fd of [processes, nothing, helpers]) closeSync(fd);
    return { helper, release };
  }

  /** What this process waits on, once no child that stops or continues is a reason to do something. */
  #eventFd(): number | undefined {
    if (this.#events === undefined) {
      const { system, onFailure } = this.#options;
      try {
        system.ignoreStoppedChildren();
        this.#events = system.eventFd();
      } catch (error) {
        onFailure(error); // It wakes in every clone then.
      }
    }
    return this.#events;
  }

  /** When the helper has ended, this is the machine of the document that follows in the wake port. */
  #follow(
    helper: ChildProcess,
    { fd, isRehearsal, done }: { fd: number; isRehearsal: boolean; done: () => void },
  ): void {
    const { onWake, onFailure } = this.#options;
    helper.once("error", (error) => {
      if (!isRehearsal) this.#programs.release();
      onFailure(error);
      done();
    });
    helper.once("exit", () => {
      this.#programs.forget();
      readDocument(fd)
        .then(async (document) => {
          onWake(document);
          if (!isRehearsal) await this.#tellProgram(document);
        })
        .catch(onFailure)
        .finally(done);
    });
  }

  async #tellProgram({ kind, parent, instance }: WakeDocument): Promise<void> {
    const { hooks, program } = this.#options;
    if (!hooks?.afterClone) return;
    const { id, name, hostname } = instance;
    const record: WakeRecord =
      kind === "clone"
        ? { kind, parent, instance: { id, name, hostname }, env: {}, args: [] }
        : { kind };
    const { signal } = new AbortController();
    await runAfterHooks({ spec: { hooks }, pid: program.pid() ?? 0, signal, record });
  }
}

/** Blocks this thread. */
function untilEnd(fd: number): void {
  for (;;) {
    try {
      if (readSync(fd, Buffer.alloc(1)) === 0) return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EINTR") throw error;
    }
  }
}

/** @throws {Error} when there is none */
async function readDocument(fd: number): Promise<WakeDocument> {
  const pieces: Buffer[] = [];
  for (let length = 0; length < DOCUMENT_BYTES_MAX; ) {
    const buffer = Buffer.alloc(READ_BYTES);
    const { bytesRead } = await readBytes(fd, buffer, 0, READ_BYTES, null);
    if (bytesRead === 0) break;
    pieces.push(buffer.subarray(0, bytesRead));
    length += bytesRead;
    if (buffer[bytesRead - 1] === 10) return JSON.parse(Buffer.concat(pieces).toString("utf8"));
  }
  throw new Error("the host's wake message has no end");
}
