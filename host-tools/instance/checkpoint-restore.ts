/** Restoring a checkpoint: a machine that goes on where another one was saved. */
import { randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import { WAKE_ENTROPY_BYTES } from "../../guest/api/wake-message.ts";
import { lockFile } from "../../image-builder/store/file-lock.ts";
import type { ImageStore } from "../../image-builder/store/image-store.ts";
import { HostError } from "../errors.ts";
import { createGuestClient } from "../guest-client/guest-client.ts";
import { DEFAULT_HOST_ADDRESS } from "../network/publish.ts";
import { INHERITED_FD } from "../qemu/machine.ts";
import type { QemuProcess } from "../qemu/process.ts";
import { loadState } from "../qemu/saved-state.ts";
import { stopQemu } from "../qemu/stop-ladder.ts";
import { planBoot } from "./boot-plan.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { asLaunched } from "./checkpoint-creation.ts";
import type { CheckpointStore } from "./checkpoint-store.ts";
import { instanceDocument } from "./document.ts";
import { setClockRight } from "./guest-clock.ts";
import { type InstanceRecord, parentOf } from "./instance-record.ts";
import type { InstanceStore } from "./instance-store.ts";
import { type Launched, launchQemu } from "./launch.ts";
import { traitDifference } from "./machine-traits.ts";
import { standOn, topLayer } from "./scratch-layers.ts";
import { prepareFiles } from "./start.ts";

/** For the agent to answer: its machine may be busy, and this host too. */
const AGENT_TIMEOUT_MS = 30_000;

export interface RestoreContext {
  readonly store: InstanceStore;
  readonly images: ImageStore;
  readonly checkpoints: CheckpointStore;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Starts an instance that never ran as what was saved. The caller holds the change lock.
 *
 * @param record made for this alone, like the checkpoint's instance
 * @returns the record with its launch
 * @throws {HostError} WL_CHECKPOINT_INVALID when this host cannot make such a machine or QEMU cannot use the
 *   state, WL_GUEST_* when the agent does not take its new identity, and what `launchQemu` throws;
 *   nothing runs then
 */
export async function restoreMachine(
  record: InstanceRecord,
  checkpoint: Checkpoint,
  { store, images, checkpoints, signal }: RestoreContext,
): Promise<InstanceRecord> {
  const files = store.files(record.id);
  const { cache: cacheFolder } = store.folders;
  const like = asLaunched({ ...record, launch: checkpoint.instance.launch });
  const plan = await planBoot(like, files, { images, cacheFolder, signal });
  const difference = traitDifference(checkpoint.traits, plan.traits);
  if (difference !== undefined) {
    throw invalid(checkpoint, difference, "Restore it on a host, and with a QEMU, like then");
  }
  await store.makeRuntimeFolder();
  await using alive = await lockFile(files.aliveLock, { signal });
  const layers = checkpoints.layers(checkpoint);
  if (layers.length > 0) await standOn(layers, files.scratch);
  const scratch = layers.length > 0 ? await topLayer(files.scratch) : files.scratch;
  const journalOffset = await prepareFiles(record, files);
  await using state = await open(checkpoints.statePath(checkpoint.id), "r");
  const mode = { kind: "load" } as const;
  const launched = await launchQemu(
    (forwards) => plan.describe({ ...files, scratch }, forwards, mode),
    {
      binary: plan.binary,
      publish: record.options.publish,
      alive,
      stateFd: state.fd,
      paused: true,
      stderrLogPath: files.qemuLog,
      signal,
    },
  );
  const { qemu, agentPort, forwards } = launched;
  const { pid, startTicks, bootId } = qemu;
  try {
    await load(qemu, checkpoint, { fd: INHERITED_FD.state, signal });
    await qemu.qmp.execute("cont");
    await handOver(launched, record, { checkpoint, signal });
    const started: InstanceRecord = {
      ...record,
      launch: {
        startedAt: new Date().toISOString(),
        accelerator: plan.choice.accelerator,
        acceleratorReason: plan.choice.reason,
        process: { pid, startTicks, bootId },
        agentPort,
        forwards,
        boot: {
          kind: "restored",
          checkpoint: checkpoint.id,
          parent: parentOf(checkpoint.instance),
        },
        journalOffset,
      },
    };
    await store.write(started);
    return started;
  } catch (error) {
    const limits = { quitTimeoutMs: 0, terminateTimeoutMs: 0 };
    await stopQemu({ process: { pid, startTicks, bootId } }, limits);
    throw error;
  } finally {
    await qemu.qmp.close();
  }
}

async function load(
  { qmp }: QemuProcess,
  checkpoint: Checkpoint,
  options: { readonly fd: number; readonly signal: AbortSignal | undefined },
): Promise<void> {
  try {
    await loadState(qmp, { ...options, withoutSharedMemory: false });
  } catch (error) {
    options.signal?.throwIfAborted();
    const why = error instanceof Error ? error.message : String(error);
    throw invalid(checkpoint, why, "Take another checkpoint, or restore an older one", error);
  }
}

/** The machine is the saved one still: it knows that one's tokens. */
async function handOver(
  { agentPort: port }: Launched,
  record: InstanceRecord,
  {
    checkpoint: { instance: original, stoppedAtMs },
    signal,
  }: { readonly checkpoint: Checkpoint; readonly signal: AbortSignal | undefined },
): Promise<void> {
  const continuedAtMs = Date.now();
  const token = original.tokens.admin;
  await using client = createGuestClient({ host: DEFAULT_HOST_ADDRESS, port, token });
  const wait = { timeoutMs: AGENT_TIMEOUT_MS, signal };
  await setClockRight(client, continuedAtMs - stoppedAtMs, wait);
  const instance = instanceDocument(record);
  const { macAddress } = record;
  const entropy = randomBytes(WAKE_ENTROPY_BYTES).toString("hex");
  const body = { instance, parent: parentOf(original), macAddress, entropy };
  await client.call("instanceSet", { body }, wait);
}

export function invalid(
  { name }: Checkpoint,
  why: string,
  next: string,
  cause?: unknown,
): HostError {
  const message = `Cannot restore checkpoint "${name}": ${why}`;
  return new HostError("WL_CHECKPOINT_INVALID", message, { next }, cause);
}
