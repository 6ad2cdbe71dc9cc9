/** Starting an instance: from its record to a QEMU that runs, as a clone of a template if one fits. */
import { type FileHandle, open, rm, stat, writeFile } from "node:fs/promises";
import type { Parent } from "../../guest/api/parent.ts";
import { withIoError } from "../../image-builder/runtimes/io-error.ts";
import { settled } from "../../image-builder/settled.ts";
import { type FileLock, lockFile } from "../../image-builder/store/file-lock.ts";
import type { ImageStore } from "../../image-builder/store/image-store.ts";
import { INHERITED_FD } from "../qemu/machine.ts";
import { loadState } from "../qemu/saved-state.ts";
import { stopQemu } from "../qemu/stop-ladder.ts";
import type { QmpEventOf } from "../qmp/session.ts";
import { type BootPlan, planBoot } from "./boot-plan.ts";
import { instanceDocument } from "./document.ts";
import type { InstanceFiles } from "./instance-files.ts";
import type { Boot, BootRequest, InstanceRecord, Launch } from "./instance-record.ts";
import type { InstanceStore } from "./instance-store.ts";
import { type Launched, launchQemu } from "./launch.ts";
import { prepareScratch } from "./scratch-file.ts";
import { removeLayers, scratchLayers, standOn, topLayer } from "./scratch-layers.ts";
import { starterFile } from "./starter-file.ts";
import type { Template } from "./template.ts";
import { chooseTemplate, type LateBound } from "./template-choice.ts";
import type { TemplateStore } from "./template-store.ts";
import { WakePort } from "./wake.ts";

/** A QEMU that was just killed gives its lock back when the kernel has cleaned up after it. */
const ALIVE_LOCK_TIMEOUT_MS = 5_000;

export interface StartContext {
  readonly store: InstanceStore;
  readonly images: ImageStore;
  readonly templates: TemplateStore;
  /** Default: as the instance was made. */
  readonly boot?: BootRequest | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Starts QEMU for an instance that does not run, and records it. The caller holds the change lock.
 *
 * @returns the record with its launch
 * @throws {HostError} WL_PORT_UNAVAILABLE, WL_QEMU_UNAVAILABLE, WL_QEMU_FAILED,
 *   WL_ACCELERATOR_UNAVAILABLE, WL_HOST_IO; {ImageError} WL_IMAGE_STORE, WL_IMAGE_IO; nothing runs then
 */
export async function startInstance(
  record: InstanceRecord,
  context: StartContext,
): Promise<InstanceRecord> {
  const { store, images, templates, signal } = context;
  const beganAtMs = Date.now();
  const boot = context.boot ?? record.options.boot;
  const files = store.files(record.id);
  // What is on its own disk by now is not what a template's guest has in memory of it.
  const hasWritten = record.options.scratch !== undefined && record.launch !== undefined;
  const request = hasWritten ? "cold" : boot;
  await store.makeRuntimeFolder();
  // Beside the rest: the lock is another program's work.
  await using locking = disposing(
    lockFile(files.aliveLock, { timeoutMs: ALIVE_LOCK_TIMEOUT_MS, signal }),
  );
  const plan = await planBoot(record, files, { images, cacheFolder: store.folders.cache, signal });
  const choice = await chooseTemplate(record, plan.traits, { store: templates, request });
  const alive = await locking.promise;
  const journalOffset = await prepareFiles(record, files);
  const dataFolder = store.folders.data;
  const start: Start = { record, files, plan, alive, dataFolder, signal };
  const result: Started = choice.template
    ? await cloneOrBoot(start, choice.template, choice.late, templates)
    : { launched: await bootMachine(start), boot: { kind: "cold", why: choice.why } };
  const { launched, loadedAtMs } = result;
  const { qemu, agentPort, forwards } = launched;
  await qemu.qmp.close();
  const { pid, startTicks, bootId } = qemu;
  const process = { pid, startTicks, bootId };
  const launch: Launch = {
    startedAt: new Date().toISOString(),
    accelerator: plan.choice.accelerator,
    acceleratorReason: plan.choice.reason,
    process,
    agentPort,
    forwards,
    boot: result.boot,
    timing: {
      beganAtMs,
      executedMs: launched.executedAtMs - beganAtMs,
      monitorMs: launched.monitorAtMs - beganAtMs,
      loadedMs: loadedAtMs && loadedAtMs - beganAtMs,
    },
    journalOffset,
  };
  const started: InstanceRecord = { ...record, launch, end: undefined };
  try {
    await store.write(started);
  } catch (error) {
    await stopQemu({ process }, { terminateTimeoutMs: 0 });
    throw error;
  }
  return started;
}

/** What is on its way, and given back in the end whether it was waited for or not. */
function disposing<T extends AsyncDisposable>(
  promise: Promise<T>,
): AsyncDisposable & { readonly promise: Promise<T> } {
  promise.catch(() => undefined); // Thrown where it is waited for.
  return {
    promise,
    async [Symbol.asyncDispose]() {
      await promise.then(
        (value) => value[Symbol.asyncDispose](),
        () => undefined,
      );
    },
  };
}

/**
 * Writes what QEMU is given.
 *
 * @returns where this start's part of the journal begins
 */
export async function prepareFiles(record: InstanceRecord, files: InstanceFiles): Promise<number> {
  const document = instanceDocument(record);
  const write = (path: string, data: string | Uint8Array, flag: "w" | "a" = "w"): Promise<void> =>
    withIoError("write", path, writeFile(path, data, { flag, mode: 0o600 }));
  const journalOffset = await stat(files.journal).then(
    ({ size }) => size,
    () => 0,
  );
  await settled([
    ...[files.pid, files.wakeSocket, files.suspension].map((path) => rm(path, { force: true })),
    write(files.document, JSON.stringify(document)),
    write(files.starter, starterFile(document, record.options.memoryMib)),
    // QEMU would make them readable for others; and followers may come before QEMU.
    write(files.journal, "", "a"),
    write(files.console, ""),
  ]);
  return journalOffset;
}

interface Start {
  readonly record: InstanceRecord;
  readonly files: InstanceFiles;
  readonly plan: BootPlan;
  readonly alive: FileLock;
  readonly dataFolder: string;
  readonly signal: AbortSignal | undefined;
}

interface Started {
  readonly launched: Launched;
  readonly boot: Boot;
  /** Of a clone: this host's clock when its machine went on, Unix time in milliseconds. */
  readonly loadedAtMs?: number;
}

async function bootMachine(start: Start): Promise<Launched> {
  const { record, plan, alive, dataFolder, signal } = start;
  const { binary } = plan;
  await prepareScratch(record, { path: start.files.scratch, dataFolder });
  const files = await filesForQemu(record, start.files);
  const { publish } = record.options;
  const options = { binary, publish, alive, stderrLogPath: files.qemuLog, signal };
  return await launchQemu((forwards) => plan.describe(files, forwards, { kind: "cold" }), options);
}

/** QEMU opens the layer that is the disk's top now: the disk's own name may become another's. */
export async function filesForQemu(
  { options }: InstanceRecord,
  files: InstanceFiles,
): Promise<InstanceFiles> {
  return options.scratch ? { ...files, scratch: await topLayer(files.scratch) } : files;
}

/** A template whose state QEMU refuses is no reason not to start. */
async function cloneOrBoot(
  start: Start,
  template: Template,
  late: LateBound,
  templates: TemplateStore,
): Promise<Started> {
  const parent = { template: template.id, instance: template.instance.id };
  try {
    const launched = await cloneMachine(start, { template, late, parent, templates });
    const boot = { kind: "clone", template: template.id, parent } as const;
    return { launched, boot, loadedAtMs: Date.now() };
  } catch (error) {
    if (start.record.options.scratch) await removeLayers(start.files.scratch);
    start.signal?.throwIfAborted();
    const detail = error instanceof Error ? error.message : String(error);
    const why = `template "${template.name}" cannot be loaded: ${detail}`;
    return { launched: await bootMachine(start), boot: { kind: "cold", why } };
  }
}

async function cloneMachine(
  { record, files: ownFiles, plan, alive, signal }: Start,
  {
    template,
    late,
    parent,
    templates,
  }: { template: Template; late: LateBound; parent: Parent; templates: TemplateStore },
): Promise<Launched> {
  const { state, memory, scratch } = templates.files(template.id);
  if (record.options.scratch) await standOn(await scratchLayers(scratch), ownFiles.scratch);
  const files = await filesForQemu(record, ownFiles);
  const mode = { kind: "load", memoryFile: { path: memory, access: "private" } } as const;
  await using stateFile: FileHandle = await open(state, "r");
  let resumed: Promise<QmpEventOf<"RESUME">> | undefined;
  const launched = await launchQemu((forwards) => plan.describe(files, forwards, mode), {
    binary: plan.binary,
    publish: record.options.publish,
    alive,
    stateFd: stateFile.fd,
    stderrLogPath: files.qemuLog,
    signal,
    async first(qmp, wait) {
      resumed = qmp.waitForEvent("RESUME", wait);
      let isRunning = false;
      const runs = (): void => {
        isRunning = true;
      };
      resumed.then(runs, () => undefined);
      await loadState(qmp, { fd: INHERITED_FD.state, withoutSharedMemory: true, ...wait });
      // What an older Windlass saved stays as it was then: stopped.
      if (!isRunning) await qmp.execute("cont");
    },
  });
  const { qemu } = launched;
  const port = WakePort.of(qemu);
  try {
    if (!resumed) throw new TypeError("a machine is loaded while QEMU starts");
    // The guest's clock runs from then on; on a busy host that may be some time after we asked for it.
    const asleepMs = (await resumed).timeMs - template.stoppedAtMs;
    const { accelerator } = plan.choice;
    port.send({ kind: "clone", record, parent, asleepMs, accelerator, ...late });
    port.release();
    return launched;
  } catch (error) {
    port[Symbol.dispose]();
    await qemu.qmp.close();
    const { pid, startTicks, bootId } = qemu;
    await stopQemu(
      { process: { pid, startTicks, bootId } },
      { quitTimeoutMs: 0, terminateTimeoutMs: 0 },
    );
    throw error;
  }
}
