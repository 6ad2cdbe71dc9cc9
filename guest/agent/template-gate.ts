/**
 * The gate between a template and its clones, seen from the guest. Before: the programs' hooks run, and
 * programs that have some wait in them. Then a small helper stops everything (wake-helper.ts of the image
 * builder) and waits for the wake message; the host saves the machine. After: the helper has set clock,
 * entropy, address and host name, everything runs on, and the agent learns who it is now.
 */
import { spawn } from "node:child_process";
import { read } from "node:fs";
import { setPriority } from "node:os";
import { promisify } from "node:util";
import type { ProgramHooks } from "../api/program-hooks.ts";
import type { WakeDocument } from "../api/template.ts";
import type { WakeRecord } from "../api/wake-record.ts";
import { AgentError } from "./agent-error.ts";
import type { ProgramControl } from "./guest-system.ts";
import { HookedPrograms } from "./hooked-programs.ts";
import { runAfterHooks, runBeforeHooks } from "./program-hooks.ts";

const HELPER = "/sbin/windlass-wake";
/** A line of the host's that is longer is none of its. */
const DOCUMENT_BYTES_MAX = 1024 * 1024;
const READ_BYTES = 64 * 1024;
/** The least there is: setpriority(2). */
const WAKING_PRIORITY = 19;
/** Below this the guest's clock is left alone: about what a request takes under emulation. */
const CLOCK_TOLERANCE_MS = 20;

const readBytes = promisify(read);

/** What the gate needs from the machine. */
export interface GateSystem {
  /** Opens the wake port: a descriptor for reading. @throws when the machine has none */
  openWakePort(): number;
  /** Descriptor that the journal is written to. */
  readonly journalFd: number;
  /** Unix time in milliseconds. */
  setClock(timeMs: number): void;
  /** mkfifo(3) */
  makeFifo(path: string, mode: number): void;
}

export interface TemplateGateOptions {
  readonly system: GateSystem;
  readonly program: Pick<ProgramControl, "status">;
  /** Of the program, as a signal or request. */
  readonly hooks?: ProgramHooks | undefined;
  /** Called when everything runs again, as whoever the document says. */
  readonly onWake: (document: WakeDocument) => void;
  readonly onFailure: (error: unknown) => void;
}

export interface PrepareOptions {
  /** The host's clock. */
  readonly timeMs: number;
  /** For the hooks. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export class TemplateGate {
  readonly #options: TemplateGateOptions;
  readonly #programs: HookedPrograms;
  #port: number | undefined;
  #isBusy = false;

  constructor(options: TemplateGateOptions) {
    this.#options = options;
    this.#programs = new HookedPrograms(options.system);
  }

  /**
   * Sets the clock right and runs the hooks of all programs that have some.
   *
   * @returns the processes that wait in their hook
   * @throws {AgentError} 409 when a hook failed or took too long; then all programs run on
   */
  async prepare({ timeMs, timeoutMs, signal }: PrepareOptions): Promise<readonly number[]> {
    if (this.#isBusy)
      throw new AgentError("WL_AGENT_CONFLICT", "A template is being taken already");
    this.#isBusy = true;
    const { system } = this.#options;
    try {
      this.#port ??= system.openWakePort();
      if (Math.abs(Date.now() - timeMs) > CLOCK_TOLERANCE_MS) system.setClock(timeMs);
      const { hooks, program } = this.#options;
      const { pid } = program.status();
      await runBeforeHooks({ spec: { hooks }, pid: pid ?? 0, signal, timeoutMs });
      return await this.#programs.hold({ timeoutMs, signal });
    } catch (error) {
      this.#isBusy = false;
      throw error;
    }
  }

  /** Stops everything, this process too. The helper says in the journal when that is so. */
  arm(): void {
    const { system, onWake, onFailure } = this.#options;
    // In a clone the program goes first: the agent's part takes as long as the program's first answer.
    setPriority(WAKING_PRIORITY);
    const { fifo, held } = this.#programs;
    const waiters = held.map(String);
    const helper = spawn(HELPER, waiters, {
      stdio: [this.#port ?? "ignore", system.journalFd, "inherit", fifo],
    });
    helper.once("error", (error) => {
      this.#isBusy = false;
      setPriority(0);
      this.#programs.release();
      onFailure(error);
    });
    helper.once("exit", () => {
      this.#isBusy = false;
      this.#programs.forget();
      this.#readDocument()
        .then(async (document) => {
          onWake(document);
          await this.#tellProgram(document);
        })
        .catch(onFailure)
        .finally(() => setPriority(0));
    });
  }

  async #tellProgram({ kind, parent, instance }: WakeDocument): Promise<void> {
    const { hooks, program } = this.#options;
    const { id, name, hostname } = instance;
    const record: WakeRecord =
      kind === "clone"
        ? { kind, parent, instance: { id, name, hostname }, env: {}, args: [] }
        : { kind };
    const { signal } = new AbortController();
    await runAfterHooks({ spec: { hooks }, pid: program.status().pid ?? 0, signal, record });
  }

  async #readDocument(): Promise<WakeDocument> {
    if (this.#port === undefined) throw new Error("the wake port is not open");
    const pieces: Buffer[] = [];
    for (let length = 0; length < DOCUMENT_BYTES_MAX; ) {
      const buffer = Buffer.alloc(READ_BYTES);
      const { bytesRead } = await readBytes(this.#port, buffer, 0, READ_BYTES, null);
      if (bytesRead === 0) break;
      pieces.push(buffer.subarray(0, bytesRead));
      length += bytesRead;
      if (buffer[bytesRead - 1] === 10) return JSON.parse(Buffer.concat(pieces).toString("utf8"));
    }
    throw new Error("the host's wake message has no end");
  }
}
