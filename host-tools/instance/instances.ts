/**
 * The instances of this host: everything that can be done with them. Holds no state; two of these, in
 * two processes, work beside each other.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { ExitRecord, JournalRecord } from "../../guest/api/journal.ts";
import { lockFile, tryLockFile } from "../../image-builder/store/file-lock.ts";
import { type Folders, windlassFolders } from "../../image-builder/store/folders.ts";
import { ImageStore } from "../../image-builder/store/image-store.ts";
import { HostError } from "../errors.ts";
import { createGuestClient, type GuestClient } from "../guest-client/guest-client.ts";
import { DEFAULT_HOST_ADDRESS, type PublishRequest } from "../network/publish.ts";
import { stopQemu } from "../qemu/stop-ladder.ts";
import { connectQmp } from "../qmp/connection.ts";
import type { CheckpointSource } from "./checkpoint-creation.ts";
import { type InstanceEvent, type InstanceEventName, recordEvent } from "./event-log.ts";
import { signalStatus } from "./exit-code.ts";
import type { InstanceFiles } from "./instance-files.ts";
import type { BootRequest, End, InstanceRecord } from "./instance-record.ts";
import { checkLegal, type InstanceAction, type InstanceState, isUp } from "./instance-state.ts";
import { InstanceStore } from "./instance-store.ts";
import { finalExit, followJournal } from "./journal-file.ts";
import { type CreateOptions, likeRecord, newRecord } from "./new-record.ts";
import { observe } from "./observation.ts";
import { type Readiness, type ReadinessWait, waitReady } from "./readiness.ts";
import { startInstance } from "./start.ts";
import { type StopStep, stopMachine } from "./stop.ts";
import { readSuspension, resumeMachine, suspendMachine } from "./suspension.ts";
import type { RunningSource } from "./template-creation.ts";
import { TemplateStore } from "./template-store.ts";

/** An instance as it is now. */
export interface Instance {
  readonly record: InstanceRecord;
  readonly state: InstanceState;
}

export interface Waiting {
  readonly signal?: AbortSignal | undefined;
}

export interface StopOptions extends Waiting {
  /** For the program to end by itself. Default: Docker's ten seconds. */
  readonly timeoutMs?: number | undefined;
  /** Told about every step as it ends. */
  readonly onStep?: ((step: StopStep) => void) | undefined;
}

export class Instances {
  readonly store: InstanceStore;
  readonly images: ImageStore;
  readonly templates: TemplateStore;
  readonly #eventLog: string;

  constructor(folders: Folders = windlassFolders()) {
    this.store = new InstanceStore(folders);
    this.images = new ImageStore(folders.data);
    this.templates = new TemplateStore(folders);
    this.#eventLog = join(folders.data, "events.jsonl");
  }

  get eventLogPath(): string {
    return this.#eventLog;
  }

  files(instance: Pick<InstanceRecord, "id">): InstanceFiles {
    return this.store.files(instance.id);
  }

  /** All instances as they are now; those that ended and were to be removed are removed. */
  async list(): Promise<Instance[]> {
    const instances: Instance[] = [];
    for (const record of await this.store.list()) {
      const instance = await this.#observe(record);
      if (instance) instances.push(instance);
    }
    return instances;
  }

  /** @throws {HostError} WL_INSTANCE_UNKNOWN */
  async get(reference: string): Promise<Instance> {
    const instance = await this.#observe(await this.store.get(reference));
    if (instance) return instance;
    throw new HostError("WL_INSTANCE_UNKNOWN", `Instance "${reference}" has ended and is removed`, {
      next: '"windlass ps -a" lists all instances',
    });
  }

  /**
   * Makes an instance of an image; it is not started.
   *
   * @throws {ImageError} WL_IMAGE_STORE; {HostError} WL_USAGE, WL_INSTANCE_EXISTS, WL_HOST_IO
   */
  async create(options: CreateOptions): Promise<Instance> {
    // While the shared lock is held, nobody prunes the image that is about to be pinned.
    await using _images = await this.images.lock({ shared: true });
    const image = await this.images.get(options.image);
    return await this.#add(options.name, (identity) => newRecord(identity, image, options));
  }

  /**
   * Makes an instance that is to be like another, under a name and with ports of its own.
   *
   * @throws {HostError} WL_USAGE, WL_INSTANCE_EXISTS, WL_HOST_IO
   */
  async createLike(
    original: InstanceRecord,
    changes: {
      readonly name?: string | undefined;
      readonly publish: readonly PublishRequest[];
      /** Default: one made of its id. */
      readonly macAddress?: string | undefined;
    },
  ): Promise<Instance> {
    await using _images = await this.images.lock({ shared: true });
    return await this.#add(changes.name, (identity) => likeRecord(identity, original, changes));
  }

  async #add(
    name: string | undefined,
    make: (identity: { id: string; name: string }) => InstanceRecord,
  ): Promise<Instance> {
    const record = await this.store.create(name, make);
    try {
      await this.images.pin(record.id, record.imageId);
    } catch (error) {
      await this.store.remove(record.id);
      throw error;
    }
    await this.#event("create", record);
    return { record, state: "created" };
  }

  /**
   * Starts an instance; QEMU runs when it returns, the guest boots or wakes.
   *
   * @param options.boot for this start; default: as the instance was made
   * @throws what `startInstance` throws; the instance stays as it was then
   */
  async start(
    reference: string,
    { signal, boot }: Waiting & { readonly boot?: BootRequest | undefined } = {},
  ): Promise<Instance> {
    const start = ({ record }: Instance) => this.#start(record, { signal, boot });
    return await this.#change(reference, "start", { signal }, start);
  }

  /**
   * Starts an instance in another way than by itself: from a checkpoint.
   *
   * @throws {HostError} WL_INSTANCE_STATE when it runs, and what the way throws
   */
  async startAs(
    reference: string,
    { signal }: Waiting,
    way: (record: InstanceRecord) => Promise<InstanceRecord>,
  ): Promise<Instance> {
    return await this.#change(reference, "start", { signal }, async ({ record }) => {
      const started = await way(record);
      await this.#event("start", started);
      return { record: started, state: "running" };
    });
  }

  /** Waits until a started instance is ready; see `waitReady`. */
  async ready(
    instance: Instance,
    wait: Waiting & Pick<ReadinessWait, "timeoutMs" | "onPhase"> = {},
  ): Promise<Readiness> {
    await using end = this.#machineEnd(instance.record);
    const { record } = instance;
    return await waitReady(record, this.files(record), { ...wait, machineEnded: end.promise });
  }

  /**
   * Stops an instance's machine where it is; it stays in memory.
   *
   * @throws {HostError} WL_INSTANCE_STATE when it does not run, WL_QMP_*
   */
  async suspend(reference: string, { signal }: Waiting = {}): Promise<Instance> {
    return await this.#change(reference, "suspend", { signal }, async ({ record }) => {
      const files = this.files(record);
      await using qmp = await connectQmp({ path: files.qmpSocket, signal });
      await suspendMachine(qmp, record, files);
      await this.#event("suspend", record);
      return { record, state: "suspended" };
    });
  }

  /**
   * Lets a suspended instance go on, with its clock right.
   *
   * @returns with a warning when the clock could not be set
   * @throws {HostError} WL_INSTANCE_STATE when it is not suspended, WL_QMP_*
   */
  async resume(
    reference: string,
    { signal }: Waiting = {},
  ): Promise<{ instance: Instance; warning: string | undefined }> {
    let warning: string | undefined;
    const instance = await this.#change(reference, "resume", { signal }, async ({ record }) => {
      warning = await this.#resume(record, signal);
      await this.#event("resume", record);
      return { record, state: "running" };
    });
    return { instance, warning };
  }

  /**
   * Ends a running instance: program, machine, QEMU.
   *
   * @returns the steps that were taken
   * @throws {HostError} WL_INSTANCE_STATE when it does not run
   */
  async stop(
    reference: string,
    options: StopOptions = {},
  ): Promise<{ instance: Instance; steps: readonly StopStep[] }> {
    let steps: readonly StopStep[] = [];
    const instance = await this.#change(reference, "stop", options, async (running) => {
      steps = await this.#stopMachine(running, options);
      return await this.#settle(running.record);
    });
    return { instance, steps };
  }

  /**
   * Ends an instance, if it runs, and starts it. One that is removed at its end stays: this is not its end.
   *
   * @throws what `stop` and `start` throw
   */
  async restart(reference: string, options: StopOptions = {}): Promise<Instance> {
    return await this.#change(reference, "restart", options, async (instance) => {
      let { record } = instance;
      if (isUp(instance.state)) {
        await this.#stopMachine(instance, options);
        ({ record } = await this.#settle(record, { keep: true }));
      }
      return await this.#start(record, options);
    });
  }

  /**
   * Sends the program a signal through the agent. SIGKILL ends the whole machine at once, as it ends a
   * whole process.
   */
  async kill(reference: string, signal: string, wait: Waiting = {}): Promise<Instance> {
    return await this.#change(reference, "kill", wait, async (running) => {
      const { record } = running;
      if (signal !== "SIGKILL") {
        checkLegal("talk", running.state, record.name);
        await using client = this.#client(record);
        await client.call("programSignal", { body: { signal } }, wait);
        await this.#event("kill", record);
        return running;
      }
      const limits = { quitTimeoutMs: 0, terminateTimeoutMs: 0, signal: wait.signal };
      await stopQemu({ process: this.#processOf(running) }, limits);
      await this.#event("kill", record);
      return await this.#settle(record);
    });
  }

  /** @throws {HostError} WL_INSTANCE_STATE when it runs and `force` is not set */
  async remove(
    reference: string,
    { force = false, signal }: Waiting & { force?: boolean } = {},
  ): Promise<void> {
    const { record, state } = await this.get(reference);
    if (force && isUp(state)) {
      // That it ended, or was removed, between our look and our kill is as good.
      await this.kill(reference, "SIGKILL", { signal }).catch(ignoreEnded);
      if (record.options.autoRemove) return;
    }
    await this.#change(reference, "remove", { signal }, async (instance) => {
      await this.#destroy(instance.record);
      return instance;
    });
  }

  /**
   * The agent of a running instance. The caller closes the client.
   *
   * @throws {HostError} WL_INSTANCE_STATE when it does not run
   */
  async client(reference: string): Promise<{ instance: Instance; client: GuestClient }> {
    const instance = await this.get(reference);
    checkLegal("talk", instance.state, instance.record.name);
    return { instance, client: this.#client(instance.record) };
  }

  /**
   * An instance's journal from its first record, also after it ended. With `follow`, on until the
   * machine ends.
   *
   * @param options.launchOnly only of the last start
   */
  async *journal(
    instance: Instance,
    options: Waiting & { follow?: boolean; launchOnly?: boolean } = {},
  ): AsyncGenerator<JournalRecord> {
    const { record } = instance;
    if (!record.launch) return;
    await using end = this.#machineEnd(record);
    yield* followJournal(this.files(record).journal, {
      fromByte: options.launchOnly ? record.launch.journalOffset : 0,
      ended: options.follow ? end.promise : Promise.resolve(),
      signal: options.signal,
    });
  }

  /**
   * Waits until an instance has ended and says how.
   *
   * @throws {HostError} WL_INSTANCE_STATE when it was never started
   */
  async wait(reference: string, { signal }: Waiting = {}): Promise<End> {
    const { record, state } = await this.get(reference);
    checkLegal("wait", state, record.name);
    await using end = this.#machineEnd(record);
    await withSignal(end.promise, signal);
    const { record: settled } = await this.#settleSeen(record);
    return settled.end ?? (await this.#end(record));
  }

  /**
   * Runs an action on an instance that runs, while nobody else changes it.
   *
   * @throws {HostError} WL_INSTANCE_STATE when it does not run, and what the action throws
   */
  async whileRunning<T>(
    reference: string,
    { signal }: Waiting,
    action: (source: RunningSource) => Promise<T>,
  ): Promise<T> {
    const results: T[] = [];
    await this.#change(reference, "talk", { signal }, async (instance) => {
      const { record } = instance;
      await using end = this.#machineEnd(record);
      await using client = this.#client(record);
      const files = this.files(record);
      results.push(await action({ record, files, client, machineEnded: end.promise }));
      return instance;
    });
    return results[0] as T;
  }

  /**
   * Takes a checkpoint of an instance that runs or is suspended, while nobody else changes it.
   *
   * @throws {HostError} WL_INSTANCE_STATE when it does not run, and what the action throws
   */
  async whileUp<T>(
    reference: string,
    { signal }: Waiting,
    take: (source: CheckpointSource) => Promise<T>,
  ): Promise<T> {
    const results: T[] = [];
    await this.#change(reference, "checkpoint", { signal }, async (instance) => {
      const { record, state } = instance;
      await using client = this.#client(record);
      const files = this.files(record);
      results.push(await take({ record, files, client, isSuspended: state === "suspended" }));
      return instance;
    });
    return results[0] as T;
  }

  async #start(
    record: InstanceRecord,
    { signal, boot }: Waiting & { readonly boot?: BootRequest | undefined },
  ): Promise<Instance> {
    const { store, images, templates } = this;
    const context = { store, images, templates, boot, signal };
    const started = await startInstance(record, context);
    await this.#event("start", started);
    return { record: started, state: "running" };
  }

  async #stopMachine(running: Instance, options: StopOptions): Promise<readonly StopStep[]> {
    const { record } = running;
    // A program that stands still can neither end nor be asked to.
    if (running.state === "suspended") await this.#resume(record, options.signal);
    await using client = this.#client(record);
    await using end = this.#machineEnd(record);
    const steps = await stopMachine({
      ...options,
      client,
      process: this.#processOf(running),
      qmpSocketPath: this.files(record).qmpSocket,
      machineEnded: end.promise,
      hasDisk: record.options.scratch !== undefined,
    });
    await this.#event("stop", record);
    return steps;
  }

  async #resume(record: InstanceRecord, signal?: AbortSignal): Promise<string | undefined> {
    const files = this.files(record);
    const suspension = await readSuspension(record, files);
    await using qmp = await connectQmp({ path: files.qmpSocket, signal });
    await using client = this.#client(record);
    const stoppedAtMs = suspension?.stoppedAtMs ?? Date.now();
    return await resumeMachine(qmp, client, { stoppedAtMs, files });
  }

  /** Runs an action under the instance's lock, on its state as it is under the lock. */
  async #change(
    reference: string,
    action: InstanceAction,
    { signal }: Waiting,
    change: (instance: Instance) => Promise<Instance>,
  ): Promise<Instance> {
    const { record: found } = await this.get(reference);
    await using _lock = await lockFile(this.files(found).changeLock, { signal });
    const record = await this.store.reread(found.id);
    const instance = record && (await this.#look(record));
    if (!instance) {
      throw new HostError("WL_INSTANCE_UNKNOWN", `Instance "${reference}" was removed meanwhile`, {
        next: '"windlass ps -a" lists all instances',
      });
    }
    checkLegal(action, instance.state, instance.record.name);
    return await change(instance);
  }

  /** What the instance is, with its end recorded if it has ended since somebody looked. */
  async #observe(record: InstanceRecord): Promise<Instance | undefined> {
    const instance = await this.#look(record);
    if (instance.state !== "exited" || record.end) {
      if (instance.state === "exited" && record.options.autoRemove) {
        await this.#destroy(record);
        return undefined;
      }
      return instance;
    }
    const settled = await this.#settleSeen(record);
    return record.options.autoRemove ? undefined : settled;
  }

  async #look(record: InstanceRecord): Promise<Instance> {
    const { state, process } = await observe(record, this.files(record));
    if (!isUp(state) || !process || record.launch?.process.pid === process.pid) {
      return { record, state };
    }
    // A QEMU that runs although its start was never recorded: it can only be ended.
    return { record: { ...record, launch: strayLaunch(process) }, state };
  }

  /**
   * Records an end that was come across. Whoever changes the instance at this moment records it himself:
   * every end is one event.
   */
  async #settleSeen(record: InstanceRecord): Promise<Instance> {
    const lock = await tryLockFile(this.files(record).changeLock).catch(() => undefined);
    if (!lock) {
      const end = record.end ?? (await this.#end(record));
      return { record: { ...record, end }, state: "exited" };
    }
    await using _lock = lock;
    const current = await this.store.reread(record.id);
    if (current && current.launch?.startedAt !== record.launch?.startedAt) {
      return await this.#look(current); // Started anew since: that start has not ended.
    }
    return await this.#settle(record);
  }

  /** Records how an instance ended; removes it when it was to be. The caller holds the change lock. */
  async #settle(record: InstanceRecord, { keep = false } = {}): Promise<Instance> {
    const current = await this.store.reread(record.id);
    if (current?.end) return { record: current, state: "exited" };
    const end = await this.#end(record);
    const { qmpSocket, wakeSocket } = this.files(record);
    // A QEMU that was killed leaves them.
    for (const path of [qmpSocket, wakeSocket]) await rm(path, { force: true });
    if (!current) return { record: { ...record, end }, state: "exited" }; // Removed meanwhile.
    const settled: InstanceRecord = { ...current, launch: current.launch ?? record.launch, end };
    await this.#event("die", settled, end.exitCode);
    if (record.options.autoRemove && !keep) await this.#destroy(settled);
    else await this.store.write(settled).catch(ignoreUnwritten);
    return { record: settled, state: "exited" };
  }

  async #end(record: InstanceRecord): Promise<End> {
    const offset = record.launch?.journalOffset ?? 0;
    const exit = await finalExit(this.files(record).journal, offset);
    return endOf(exit);
  }

  async #destroy(record: InstanceRecord): Promise<void> {
    // In this order: a pin without its instance would keep the image for ever.
    await this.images.unpin(record.id);
    await this.store.remove(record.id);
    await this.#event("destroy", record);
  }

  #client(record: InstanceRecord): GuestClient {
    const port = record.launch?.agentPort ?? 0;
    return createGuestClient({ host: DEFAULT_HOST_ADDRESS, port, token: record.tokens.admin });
  }

  #processOf({ record }: Instance): NonNullable<InstanceRecord["launch"]>["process"] {
    if (!record.launch) throw new TypeError("an instance that never started has no process");
    return record.launch.process;
  }

  /** Fulfilled when QEMU gives up the lock that it holds as long as it lives; no polling. */
  #machineEnd(record: InstanceRecord): AsyncDisposable & { readonly promise: Promise<void> } {
    const stop = new AbortController();
    const promise = lockFile(this.files(record).aliveLock, { shared: true, signal: stop.signal })
      .then((lock) => lock.close())
      // Aborted because nobody waits any more, or the instance was removed: both are an end.
      .catch(() => undefined);
    return {
      promise,
      async [Symbol.asyncDispose]() {
        stop.abort();
        await promise;
      },
    };
  }

  async #event(event: InstanceEventName, record: InstanceRecord, exitCode?: number): Promise<void> {
    const { id, name, imageName: image } = record;
    const entry: InstanceEvent = { timeMs: Date.now(), event, id, name, image };
    // History is no reason to fail: an instance can be removed although the disk is full.
    await recordEvent(
      this.#eventLog,
      exitCode === undefined ? entry : { ...entry, exitCode },
    ).catch(() => undefined);
  }
}

/** How the program ended, or what it means that the machine ended without saying it. */
function endOf(exit: ExitRecord | undefined): End {
  const finishedAt = new Date(exit?.timeMs ?? Date.now()).toISOString();
  if (!exit) {
    const reason = "The machine ended without a report: it was killed, or it crashed";
    return { finishedAt, exitCode: 137, signal: "SIGKILL", reason };
  }
  const exitCode = exit.exitCode ?? signalStatus(exit.signal ?? "SIGKILL");
  return { finishedAt, exitCode, signal: exit.signal, reason: exit.reason };
}

function strayLaunch(process: NonNullable<InstanceRecord["launch"]>["process"]) {
  return {
    startedAt: new Date().toISOString(),
    accelerator: "tcg" as const,
    acceleratorReason: "unknown: the start was interrupted",
    process,
    agentPort: 0,
    forwards: [],
    journalOffset: 0,
  };
}

/**
 * The instance may have been removed. Or the disk is full: then the end is recorded when somebody looks
 * again, and until then it can be shown and removed.
 */
function ignoreUnwritten(error: unknown): void {
  if (!(error instanceof HostError && error.code === "WL_HOST_IO")) throw error;
}

function ignoreEnded(error: unknown): void {
  const codes: readonly string[] = ["WL_INSTANCE_STATE", "WL_INSTANCE_UNKNOWN"];
  if (!(error instanceof HostError && codes.includes(error.code))) throw error;
}

async function withSignal(promise: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (!signal) return await promise;
  signal.throwIfAborted();
  let abort: () => void = () => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort);
  });
  try {
    await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
