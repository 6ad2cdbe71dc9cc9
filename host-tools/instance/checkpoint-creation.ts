/** Taking a checkpoint: the machine stands still while its RAM is written, and goes on. */
import { open, stat } from "node:fs/promises";
import { basename } from "node:path";
import { withIoError } from "../../image-builder/runtimes/io-error.ts";
import type { ImageStore } from "../../image-builder/store/image-store.ts";
import { HostError } from "../errors.ts";
import type { GuestClient } from "../guest-client/guest-client.ts";
import { saveState } from "../qemu/saved-state.ts";
import { connectQmp, type QmpConnection } from "../qmp/connection.ts";
import { planBoot } from "./boot-plan.ts";
import type { Checkpoint, CheckpointLayer } from "./checkpoint.ts";
import type { CheckpointStore } from "./checkpoint-store.ts";
import { freezeScratch } from "./freeze-scratch.ts";
import type { InstanceFiles } from "./instance-files.ts";
import type { InstanceRecord } from "./instance-record.ts";
import { linkLayers } from "./scratch-layers.ts";
import { continueMachine, readSuspension, resumeMachine, suspendMachine } from "./suspension.ts";

export interface CheckpointSource {
  readonly record: InstanceRecord;
  readonly files: InstanceFiles;
  readonly client: GuestClient;
  readonly isSuspended: boolean;
}

export interface CheckpointContext {
  readonly checkpoints: CheckpointStore;
  readonly images: ImageStore;
  readonly cacheFolder: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Saves a machine. It goes on afterwards, whatever happens; one that was suspended stays so.
 *
 * @returns with a warning when its clock could not be set right
 * @throws {HostError} WL_CHECKPOINT_EXISTS, WL_HOST_IO when the disk is full, WL_QEMU_FAILED; {ImageError}
 *   WL_IMAGE_IO; nothing is left then
 */
export async function takeCheckpoint(
  source: CheckpointSource,
  { id, name }: { readonly id: string; readonly name: string },
  { checkpoints, images, cacheFolder, signal }: CheckpointContext,
): Promise<{ checkpoint: Checkpoint; warning: string | undefined }> {
  const { record, files } = source;
  await using _making = await checkpoints.begin(id, name);
  try {
    const { traits } = await planBoot(asLaunched(record), files, { images, cacheFolder, signal });
    await images.pin(id, record.imageId);
    const target = { folder: checkpoints.folder(id), statePath: checkpoints.statePath(id) };
    const { warning, layers, ...saved } = await saveMachine(source, target, signal);
    const checkpoint: Checkpoint = {
      schemaVersion: 1,
      id,
      name,
      createdAt: new Date().toISOString(),
      instance: record,
      traits,
      ...saved,
      scratch: await Promise.all(layers.map(layerFacts)),
    };
    // A checkpoint is for after a crash of the host, too.
    for (const path of [target.statePath, ...layers, target.folder]) await syncFile(path);
    await checkpoints.commit(checkpoint);
    return { checkpoint, warning };
  } catch (error) {
    await images.unpin(id);
    await checkpoints.remove(id);
    throw error;
  }
}

/** The accelerator is what the machine runs with, not what would be chosen now. */
export function asLaunched(record: InstanceRecord): InstanceRecord {
  const accelerator = record.launch?.accelerator ?? record.options.accelerator;
  return { ...record, options: { ...record.options, accelerator } };
}

interface SavedMachine {
  readonly state: Checkpoint["state"];
  readonly stoppedAtMs: number;
  readonly stillMs: number;
  readonly layers: readonly string[];
  readonly warning: string | undefined;
}

async function saveMachine(
  { record, files, client, isSuspended }: CheckpointSource,
  target: { readonly folder: string; readonly statePath: string },
  signal: AbortSignal | undefined,
): Promise<SavedMachine> {
  await using qmp = await connectQmp({ path: files.qmpSocket, signal });
  const before = isSuspended ? await readSuspension(record, files) : undefined;
  const { stoppedAtMs } = before ?? (await suspendMachine(qmp, record, files));
  const resume = async (): Promise<string | undefined> =>
    before ? undefined : await resumeMachine(qmp, client, { stoppedAtMs, files });
  let saved: Pick<SavedMachine, "state" | "layers">;
  const startedMs = performance.now();
  try {
    if (before) await takeDisksBack(qmp);
    const layers = record.options.scratch ? await freezeScratch(qmp, files) : [];
    await linkLayers(layers, target.folder);
    const state = await saveState(qmp, {
      path: target.statePath,
      socketPath: files.stateSocket,
      withoutSharedMemory: false,
      signal,
    });
    saved = { state, layers };
  } catch (error) {
    await resume().catch(() => undefined); // What went wrong first is what counts.
    throw explained(error, record);
  }
  const stillMs = before ? 0 : performance.now() - startedMs;
  const warning = await resume();
  const layers = saved.layers.map((layer) => `${target.folder}/${basename(layer)}`);
  return { state: saved.state, layers, stoppedAtMs, stillMs, warning };
}

/**
 * A QEMU that was saved has let go of its disks, and takes them back when it is continued: a machine that
 * is saved a second time while it is suspended runs for some instructions.
 */
async function takeDisksBack(qmp: QmpConnection): Promise<void> {
  const { status } = await qmp.execute("query-status");
  if (status !== "postmigrate") return;
  await continueMachine(qmp);
  await qmp.execute("stop");
}

function explained(error: unknown, { name }: InstanceRecord): unknown {
  if (!(error instanceof HostError) || error.code !== "WL_QMP_DISCONNECTED") return error;
  return new HostError(
    "WL_QEMU_FAILED",
    `Cannot take a checkpoint of "${name}": its machine ended while it was saved`,
    { next: `Start it again: "windlass start ${name}"` },
    error,
  );
}

async function layerFacts(path: string): Promise<CheckpointLayer> {
  const { size, mtimeMs } = await stat(path);
  return { name: basename(path), sizeBytes: size, changedAtMs: mtimeMs };
}

async function syncFile(path: string): Promise<void> {
  const sync = async (): Promise<void> => {
    await using file = await open(path, "r");
    await file.sync();
  };
  await withIoError("write", path, sync());
}
