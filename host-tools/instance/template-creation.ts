/** Making templates: from an image, by starting it for that alone, or from an instance that runs. */
import { rm, stat, utimes } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { WarmUp } from "../../guest/api/template.ts";
import { digHoles } from "../../image-builder/store/dig-holes.ts";
import { lockFile } from "../../image-builder/store/file-lock.ts";
import type { ImageStore } from "../../image-builder/store/image-store.ts";
import { HostError } from "../errors.ts";
import { createGuestClient, type GuestClient } from "../guest-client/guest-client.ts";
import { DEFAULT_HOST_ADDRESS } from "../network/publish.ts";
import { copyState } from "../qemu/move-state.ts";
import type { QemuProcess } from "../qemu/process.ts";
import { prepareState, saveState } from "../qemu/saved-state.ts";
import { stopQemu } from "../qemu/stop-ladder.ts";
import { connectQmp, type QmpConnection } from "../qmp/connection.ts";
import { planBoot } from "./boot-plan.ts";
import { asLaunched } from "./checkpoint-creation.ts";
import { type FrozenMachine, freezeMachine } from "./freeze.ts";
import { freezeScratch } from "./freeze-scratch.ts";
import { setClockFinely } from "./guest-clock.ts";
import type { InstanceFiles } from "./instance-files.ts";
import { type InstanceRecord, parentOf } from "./instance-record.ts";
import { launchQemu } from "./launch.ts";
import { waitReady } from "./readiness.ts";
import { prepareScratch } from "./scratch-file.ts";
import { linkLayers, pointAt, removeLayers } from "./scratch-layers.ts";
import { filesForQemu, prepareFiles } from "./start.ts";
import { continueMachine, suspendMachine } from "./suspension.ts";
import type { Template } from "./template.ts";
import type { TemplateFiles, TemplateStore } from "./template-store.ts";

/**
 * Requests before the machine is saved. V8 collects what it needs to compile code well in the first few;
 * after about thirty the answer to a clone's first request takes no less translated code.
 */
const WARM_UP_REQUESTS = 100;
/**
 * Then the machine rests, so that the timers of those requests are over. Node keeps the text of the Date
 * header for up to a second: a clone must not send its template's.
 */
const SETTLE_MS = 1_100;
/** A program that is slow to answer need not be asked a hundred times. */
const WARM_UP_TIMEOUT_MS = 3_000;
/** At most 256 MiB are cleared, which takes a second under emulation. */
const TRIM_TIMEOUT_MS = 30_000;

export interface TemplateContext {
  readonly templates: TemplateStore;
  readonly images: ImageStore;
  readonly signal?: AbortSignal | undefined;
}

export interface WarmUpRequest {
  /** Path to ask for; default: the health check's, else "/". */
  readonly path?: string | undefined;
  /** Default WARM_UP_REQUESTS; 0 for none. */
  readonly requests?: number | undefined;
}

/**
 * Starts a machine, waits until it is ready, saves it and ends it.
 *
 * @param record of an instance that is made for this alone; its id becomes the template's
 * @throws {HostError} WL_TEMPLATE_EXISTS, WL_TEMPLATE_FAILED, and what starting an instance throws;
 *   nothing is left then
 */
export async function templateFromImage(
  record: InstanceRecord,
  { templates, images, signal }: TemplateContext,
  warmUp: WarmUpRequest = {},
): Promise<Template> {
  const { id, name } = record;
  await using _making = await templates.begin(id, name);
  const files = templates.files(id);
  let qemu: QemuProcess | undefined;
  try {
    const cacheFolder = templates.folders.cache;
    const plan = await planBoot(record, files, { images, cacheFolder, signal });
    const journalOffset = await prepareFiles(record, files);
    await using alive = await lockFile(files.aliveLock, { signal });
    const memoryFile = { path: files.memory, access: "shared" } as const;
    const dataFolder = templates.folders.data;
    await prepareScratch(record, { path: files.scratch, dataFolder });
    const qemuFiles = await filesForQemu(record, files);
    const startedMs = performance.now();
    const launched = await launchQemu(
      (forwards) => plan.describe(qemuFiles, forwards, { kind: "cold", memoryFile }),
      {
        binary: plan.binary,
        publish: [],
        alive,
        diesWithUs: true,
        stderrLogPath: files.qemuLog,
        signal,
      },
    );
    ({ qemu } = launched);
    const machineEnded = qemu.exited;
    const started = launchedRecord(record, { ...launched, journalOffset });
    const readiness = await waitReady(started, files, { machineEnded, signal });
    if (readiness === "ended") throw endedEarly(record);
    const readyMs = performance.now() - startedMs;
    const client = createGuestClient({
      host: DEFAULT_HOST_ADDRESS,
      port: launched.agentPort,
      token: record.tokens.admin,
    });
    const warmUpStartedMs = performance.now();
    const isWarm = await sendWarmUp(client, record, warmUp, signal);
    await using prepared = await prepareState(qemu.qmp, {
      path: files.state,
      socketPath: files.stateSocket,
      withoutSharedMemory: true,
      signal,
    });
    await Promise.all([
      trimMemory(client, { signal }),
      isWarm && delay(SETTLE_MS, undefined, { signal }),
    ]);
    const warmUpMs = performance.now() - warmUpStartedMs;
    await setClockFinely(client, { signal });
    await images.pin(id, record.imageId);
    const warmMs = performance.now();
    const frozen = await freezeMachine({ files, client, qmp: qemu.qmp, machineEnded, signal });
    const state = await prepared.save();
    frozen.port[Symbol.dispose]();
    const template = await commit(templates, record, {
      traits: plan.traits,
      state,
      stoppedAtMs: frozen.stoppedAtMs,
      hookedProcesses: frozen.hookedProcesses,
      instance: { id, name },
      timing: { readyMs, warmUpMs, saveMs: performance.now() - warmMs },
    });
    return await makeSparse(templates, template, signal);
  } catch (error) {
    if (qemu) await endQemu(qemu);
    qemu = undefined;
    await images.unpin(id);
    await templates.remove(id);
    throw error;
  } finally {
    if (qemu) await endQemu(qemu); // It is stopped: clones may start meanwhile.
  }
}

export interface RunningSource {
  readonly record: InstanceRecord;
  readonly files: InstanceFiles;
  /** Closed here. */
  readonly client: GuestClient;
  readonly machineEnded: Promise<unknown>;
}

export interface TemplateIdentity {
  readonly id: string;
  readonly name: string;
  /** Whether it is removed as soon as there are clones: no time is spent on making it small. */
  readonly isBrief?: boolean | undefined;
}

/**
 * Saves a machine that runs, by way of a second QEMU that takes its memory over into a file; it goes on
 * afterwards, whatever happens. It stands still while its memory is copied.
 *
 * @throws {HostError} WL_TEMPLATE_EXISTS, WL_TEMPLATE_FAILED, WL_GUEST_REFUSED when a hook failed
 */
export async function templateFromInstance(
  source: RunningSource,
  { id, name, isBrief = false }: TemplateIdentity,
  { templates, images, signal }: TemplateContext,
): Promise<Template> {
  const { record } = source;
  await using _making = await templates.begin(id, name);
  const files = templates.files(id);
  let target: QemuProcess | undefined;
  try {
    const cacheFolder = templates.folders.cache;
    const context = { images, cacheFolder, signal };
    const plan = await planBoot(asLaunched(record), files, context);
    await prepareFiles(record, files);
    await using alive = await lockFile(files.aliveLock, { signal });
    const memoryFile = { path: files.memory, access: "shared" } as const;
    // It never runs: any disk of that size does, and the source keeps its own.
    const dataFolder = templates.folders.data;
    await prepareScratch({ ...record, launch: undefined }, { path: files.scratch, dataFolder });
    const qemuFiles = await filesForQemu(record, files);
    const startedMs = performance.now();
    ({ qemu: target } = await launchQemu(
      (forwards) => plan.describe(qemuFiles, forwards, { kind: "load", memoryFile }),
      {
        binary: plan.binary,
        publish: [],
        alive,
        diesWithUs: true,
        paused: true,
        stderrLogPath: files.qemuLog,
        signal,
      },
    ));
    if (!isBrief) await trimMemory(source.client, { signal });
    const { frozen, layers } = await copyMachine(source, target.qmp, {
      socketPath: copySocket(files),
      signal,
    });
    const state = await saveState(target.qmp, {
      path: files.state,
      socketPath: files.stateSocket,
      withoutSharedMemory: true,
      signal,
    });
    await endQemu(target);
    target = undefined;
    await takeScratch(files, layers);
    await images.pin(id, record.imageId);
    const template = await commit(
      templates,
      { ...record, id, name },
      {
        traits: plan.traits,
        state,
        stoppedAtMs: frozen.stoppedAtMs,
        hookedProcesses: frozen.hookedProcesses,
        instance: { id: record.id, name: record.name },
        timing: { readyMs: 0, warmUpMs: 0, saveMs: performance.now() - startedMs },
      },
    );
    return isBrief ? template : await makeSparse(templates, template, signal);
  } catch (error) {
    if (target) await endQemu(target);
    await images.unpin(id);
    await templates.remove(id);
    throw error;
  }
}

/** Freezes the source, copies it, and lets it go on. */
async function copyMachine(
  { record, files, client, machineEnded }: RunningSource,
  target: QmpConnection,
  { socketPath, signal }: { socketPath: string; signal: AbortSignal | undefined },
): Promise<{ frozen: FrozenMachine; layers: readonly string[] }> {
  const { qmpSocket: path } = files;
  await using qmp = await connectQmp({ path, signal });
  const stop = () => suspendMachine(qmp, record, files);
  await setClockFinely(client, { signal });
  const frozen = await freezeMachine({ files, client, qmp, machineEnded, stop, signal });
  const { port, stoppedAtMs } = frozen;
  try {
    signal?.throwIfAborted();
    const layers = record.options.scratch ? await freezeScratch(qmp, files) : [];
    await copyState(qmp, target, { socketPath, signal });
    return { frozen, layers };
  } finally {
    const resumed = qmp.waitForEvent("RESUME");
    resumed.catch(() => undefined); // Looked at below.
    await continueMachine(qmp);
    const asleepMs = (await resumed).timeMs - stoppedAtMs;
    const { accelerator = "tcg" } = record.launch ?? {};
    port.send({ kind: "resume", record, parent: parentOf(record), asleepMs, accelerator });
    await rm(files.suspension, { force: true });
    port.end();
  }
}

/** The template's disk is what the source's was when it stopped. */
async function takeScratch(files: TemplateFiles, layers: readonly string[]): Promise<void> {
  const [top] = layers;
  if (top === undefined) return;
  await removeLayers(files.scratch);
  await linkLayers(layers, files.folder);
  await pointAt(files.scratch, join(files.folder, basename(top)));
}

/** Not the same: QEMU removes the socket it listened on, some time later. */
function copySocket({ qmpSocket }: InstanceFiles): string {
  return `${qmpSocket}.copy`;
}

async function commit(
  templates: TemplateStore,
  record: InstanceRecord,
  facts: Pick<
    Template,
    "traits" | "state" | "stoppedAtMs" | "hookedProcesses" | "instance" | "timing"
  >,
): Promise<Template> {
  const { id, name, imageId, imageName, options } = record;
  const template: Template = {
    schemaVersion: 1,
    id,
    name,
    imageId,
    imageName,
    createdAt: new Date().toISOString(),
    memoryMib: options.memoryMib,
    vcpuCount: options.vcpuCount,
    address: options.address,
    program: options.program,
    memory: await memoryFacts(templates.files(id), Math.floor(Date.now() / 1000)),
    ...facts,
  };
  await templates.commit(template);
  return template;
}

/** The guest's part of giving free memory back. A template is larger without; that is no reason to have none. */
async function trimMemory(
  client: GuestClient,
  { signal }: { signal: AbortSignal | undefined },
): Promise<void> {
  await client.call("templateTrim", {}, { signal, timeoutMs: TRIM_TIMEOUT_MS }).catch(() => {
    signal?.throwIfAborted();
  });
}

/**
 * The host's part. Clones may start meanwhile, for they see no difference: TemplateStore.damage waits for the end of
 * this when it sees the file change. When it cannot be done the template is as good as before.
 */
async function makeSparse(
  templates: TemplateStore,
  template: Template,
  signal: AbortSignal | undefined,
): Promise<Template> {
  const { id, memory } = template;
  const files = templates.files(id);
  try {
    await digHoles(files.memory, { signal });
  } catch {
    // What has been dug is dug.
  }
  const sparse = { ...template, memory: await memoryFacts(files, memory.changedAtMs / 1000) };
  await templates.commit(sparse);
  return sparse;
}

/** @param changedAt what its time of last change is set to: Unix time in whole seconds, which every file system keeps */
async function memoryFacts(
  { memory }: TemplateFiles,
  changedAt: number,
): Promise<Template["memory"]> {
  await utimes(memory, changedAt, changedAt);
  const { size, blocks, mtimeMs } = await stat(memory);
  return { sizeBytes: size, diskBytes: blocks * 512, changedAtMs: mtimeMs };
}

/** @returns whether there was anything to ask */
async function sendWarmUp(
  client: GuestClient,
  { options: { program } }: InstanceRecord,
  { path, requests = WARM_UP_REQUESTS }: WarmUpRequest,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const check = program.health?.check;
  const listening = (await client.call("programStatus", {}, { signal })).listening;
  const ports = [...program.ports, ...listening].filter(({ protocol }) => protocol === "tcp");
  const port = check?.kind === "http" ? check.port : ports[0]?.port;
  if (port === undefined || requests === 0) return false;
  const body: WarmUp = {
    port,
    path: path ?? (check?.kind === "http" ? check.path : "/"),
    requests,
    timeoutMs: WARM_UP_TIMEOUT_MS,
  };
  await client.call("templateWarmUp", { body }, { signal });
  return true;
}

function launchedRecord(
  record: InstanceRecord,
  {
    qemu,
    agentPort,
    journalOffset,
  }: { qemu: QemuProcess; agentPort: number; journalOffset: number },
): InstanceRecord {
  const { pid, startTicks, bootId } = qemu;
  return {
    ...record,
    launch: {
      startedAt: new Date().toISOString(),
      accelerator: "tcg",
      acceleratorReason: "",
      process: { pid, startTicks, bootId },
      agentPort,
      forwards: [],
      journalOffset,
    },
  };
}

async function endQemu(qemu: QemuProcess): Promise<void> {
  const { pid, startTicks, bootId } = qemu;
  await stopQemu({ process: { pid, startTicks, bootId }, qmp: qemu.qmp });
  await qemu.qmp.close();
  qemu.channel?.destroy();
}

function endedEarly({ imageName }: InstanceRecord): HostError {
  return new HostError(
    "WL_TEMPLATE_FAILED",
    `Cannot make a template of "${imageName}": its program has ended`,
    { next: "A template needs a program that stays: see what it says with windlass run" },
  );
}
