/** One run of a program's hooks: before the machine is saved, asleep, awake in whatever it is then. */
import {
  ARMED_FOLDER,
  NOTHING_BOUND,
  REHEARSAL_FOLDER,
  WAKE_FIFO,
  WAKE_RECORD_BYTES,
} from "../api/wake-channel.ts";
import type { ArmedReport, WakeRecord } from "../api/wake-record.ts";
import { type CloneContext, type CloneHooks, cloneHooks } from "./clone-hooks.ts";
import { javascriptEngine } from "./javascript-engine.ts";
import { kernelRandom, ReadyNumbers, rehearseRandom, replaceRandom } from "./random-source.ts";

export interface HookRunOptions {
  /** Where the agent and the program meet: WINDLASS_RUN_FOLDER. */
  readonly folder: string;
  /** KERNEL_RANDOM_ADDON. */
  readonly addon: string;
}

type FileSystem = typeof import("node:fs");
type Crypto = typeof import("node:crypto");

interface Tools {
  readonly fs: FileSystem;
  /** Leaves no random number that was drawn before. */
  readonly useUpReady: () => void;
  /** Fills with random bytes. */
  readonly fillRandomly: (state: Int32Array) => void;
  readonly engine: ReturnType<typeof javascriptEngine>;
}

/** Has what a clone's record has, and no effect. */
const REHEARSAL: WakeRecord = {
  kind: "clone",
  instance: { id: "", name: "", hostname: "" },
  parent: { template: "", instance: "" },
  env: {},
  args: [],
};

export class HookRun {
  readonly #options: HookRunOptions;
  #isRunning = false;
  #isRehearsed = false;
  #tools: Tools | undefined;
  #saidAddonFails = false;
  /** Of the last record. */
  #descriptor: number | undefined;

  constructor(options: HookRunOptions) {
    this.#options = options;
  }

  /**
   * Runs the before-hooks, sleeps, wakes. Never throws; what fails is said on standard error. Without
   * before-hooks all of it is done on return: a promise would be work for each clone.
   *
   * @returns when before-hooks must be waited for
   */
  start(): Promise<void> | undefined {
    if (this.#isRunning) return undefined;
    this.#isRunning = true;
    const hooks = cloneHooks();
    const tools = this.#armed();
    if (tools && hooks.beforeTemplate.length > 0) {
      return this.#beforeHooks(hooks.beforeTemplate, tools).then((succeeded) => {
        if (succeeded) this.#sleepArmed(tools, hooks.afterClone);
        this.#isRunning = false;
      });
    }
    if (tools) this.#sleepArmed(tools, hooks.afterClone);
    this.#isRunning = false;
    return undefined;
  }

  /** @returns undefined when this is only the rehearsal, or the agent gave up */
  #armed(): Tools | undefined {
    try {
      this.#tools ??= this.#makeTools(require("node:fs") as FileSystem);
      const tools = this.#tools;
      const isSaved = (): boolean => tools.fs.existsSync(`${this.#options.folder}/${ARMED_FOLDER}`);
      // Nobody waits yet: a large heap takes seconds, and a collection is a tenth of saving a machine.
      if (!isSaved()) {
        if (this.#isRehearsed) tools.engine.tidy();
        else tools.engine.compact();
      }
      if (!this.#isRehearsed) this.#isRehearsed = this.#rehearse(tools);
      return isSaved() ? tools : undefined;
    } catch (error) {
      complain("cannot take part in the template", error);
      return undefined;
    }
  }

  #sleepArmed(tools: Tools, afterClone: CloneHooks["afterClone"]): void {
    const { fs, engine } = tools;
    try {
      tools.useUpReady();
      replaceRandom(tools.fillRandomly);
      engine.rest();
      const isAwaited = this.#report(fs, { ok: true });
      const bytes = isAwaited ? this.#sleep(fs, `${this.#options.folder}/${WAKE_FIFO}`) : undefined;
      this.#awake(bytes, afterClone);
    } catch (error) {
      complain("cannot take part in the template", error);
    }
  }

  #makeTools(fs: FileSystem): Tools {
    const crypto = cryptoModule();
    const ready = crypto && this.#readyNumbers(crypto);
    return {
      fs,
      useUpReady: () => {
        try {
          ready?.useUp();
        } catch (error) {
          complain("clones may share random numbers that are ready", error);
        }
      },
      fillRandomly: crypto ? crypto.randomFillSync : (state) => readRandom(fs, state),
      engine: javascriptEngine(),
    };
  }

  #readyNumbers(crypto: Crypto): ReadyNumbers | undefined {
    try {
      return new ReadyNumbers(crypto, kernelRandom(this.#options.addon));
    } catch (error) {
      if (!this.#saidAddonFails) complain("clones will share the random numbers of OpenSSL", error);
      this.#saidAddonFails = true;
      return undefined;
    }
  }

  /**
   * What a clone does between waking and its first event, done once without effect before the machine is
   * saved: V8 compiles a function when it is first called, and every clone would have to.
   *
   * @returns false when it could not be done; the clone is slower then
   */
  #rehearse(tools: Tools): boolean {
    const { fs } = tools;
    const file = `${this.#options.folder}/${REHEARSAL_FOLDER}/${process.pid}`;
    try {
      fs.writeFileSync(file, JSON.stringify(REHEARSAL).padEnd(WAKE_RECORD_BYTES));
      const bytes = this.#sleep(fs, file);
      fs.unlinkSync(file);
      this.#awake(bytes, [{ callback: () => undefined }]);
      rehearseRandom(tools.fillRandomly);
      tools.engine.rest();
      tools.engine.resume();
      tools.engine.warmUp();
      // Thousands of draws: before the template this is done again only if there were any meanwhile.
      tools.useUpReady();
      return true;
    } catch {
      return false;
    }
  }

  /** @param bytes of the record; undefined when there was none */
  #awake(bytes: Buffer | undefined, hooks: CloneHooks["afterClone"]): void {
    if (hooks.length === 0 && bytes?.[0] === NOTHING_BOUND) return;
    const record = bytes && (JSON.parse(bytes.toString()) as WakeRecord);
    if (record?.kind !== "clone") {
      const kind = record?.kind ?? "cancelled";
      wake([...hooks], { kind, instance: null, parent: null, args: [] });
      return;
    }
    const { kind, instance, parent, env, args } = record;
    Object.assign(process.env, env);
    wake([...hooks], { kind, instance, parent, args });
  }

  /** @returns whether all went well; else the agent is told */
  async #beforeHooks(hooks: CloneHooks["beforeTemplate"], { fs }: Tools): Promise<boolean> {
    try {
      for (const { callback } of [...hooks]) await callback();
      return true;
    } catch (error) {
      complain("a beforeTemplate hook failed", error);
      this.#report(fs, { error: textOf(error) });
      // Those that had closed something hear that nothing came of it.
      this.#awake(undefined, cloneHooks().afterClone);
      return false;
    }
  }

  /** @returns false when nobody waits for it any more */
  #report(fs: FileSystem, report: ArmedReport): boolean {
    const folder = `${this.#options.folder}/${ARMED_FOLDER}`;
    const unfinished = `${folder}/.${process.pid}`;
    const finished = `${folder}/${process.pid}`;
    try {
      // Whoever sees the name sees the whole report.
      fs.writeFileSync(unfinished, JSON.stringify(report));
      fs.renameSync(unfinished, finished);
      // The agent may have given up in between, and moved the folder away.
      return fs.existsSync(finished);
    } catch (error) {
      complain("cannot report to the agent", error);
      return false;
    }
  }

  /**
   * Blocks this thread until the agent writes a record.
   *
   * @returns undefined when the agent went away
   */
  #sleep(fs: FileSystem, path: string): Buffer | undefined {
    // The one before is closed now: a clone that wakes has better things to do.
    const before = this.#descriptor;
    this.#descriptor = undefined;
    if (before !== undefined) fs.closeSync(before);
    const descriptor = fs.openSync(path, "r");
    this.#descriptor = descriptor;
    const bytes = Buffer.allocUnsafeSlow(WAKE_RECORD_BYTES);
    // Not bytes.length: code that has run as seldom as this looks for such a property from scratch.
    for (let length = 0; length < WAKE_RECORD_BYTES; ) {
      const count = readSome(fs, descriptor, bytes, length);
      if (count === 0) return undefined;
      length += count;
    }
    return bytes;
  }
}

function readSome(fs: FileSystem, descriptor: number, bytes: Buffer, from: number): number {
  for (;;) {
    try {
      return fs.readSync(descriptor, bytes, from, bytes.length - from, null);
    } catch (error) {
      // A profiler's signal, say; libuv passes it on.
      if ((error as NodeJS.ErrnoException).code !== "EINTR") throw error;
    }
  }
}

/** Promises are not waited for: the program goes on beside them. */
function wake(hooks: CloneHooks["afterClone"], context: CloneContext): void {
  const failed = (error: unknown): void => complain("an afterClone hook failed", error);
  for (const { callback } of hooks) {
    try {
      Promise.resolve(callback(context)).catch(failed);
    } catch (error) {
      failed(error);
    }
  }
}

/** For a Node without a crypto module. */
function readRandom(fs: FileSystem, state: Int32Array): void {
  const descriptor = fs.openSync("/dev/urandom", "r");
  try {
    fs.readSync(descriptor, state);
  } finally {
    fs.closeSync(descriptor);
  }
}

/** undefined in a Node that was built without it. */
function cryptoModule(): Crypto | undefined {
  try {
    return require("node:crypto") as Crypto;
  } catch {
    return undefined;
  }
}

function complain(what: string, error: unknown): void {
  try {
    const { writeSync } = require("node:fs") as FileSystem;
    writeSync(2, `windlass: ${what}: ${textOf(error)}\n`);
  } catch {
    // Standard error is closed or full.
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
