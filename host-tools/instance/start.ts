/** Starting an instance: from its record to a QEMU that runs. */
import { rm, stat, writeFile } from "node:fs/promises";
import { AGENT_PORT } from "../../guest/api/routes.ts";
import { bootKernel } from "../../image-builder/kernels/boot-kernel.ts";
import { withIoError } from "../../image-builder/runtimes/io-error.ts";
import { type FileLock, lockFile } from "../../image-builder/store/file-lock.ts";
import type { ImageConfig } from "../../image-builder/store/image.ts";
import type { ImageStore } from "../../image-builder/store/image-store.ts";
import { HostError } from "../errors.ts";
import { reserveHostPorts } from "../network/host-port.ts";
import { DEFAULT_HOST_ADDRESS, type PublishRequest } from "../network/publish.ts";
import { findQemu, type QemuBinary } from "../qemu/binary.ts";
import { startQemu } from "../qemu/process.ts";
import { stopQemu } from "../qemu/stop-ladder.ts";
import { acceleratorFor } from "./accelerator-choice.ts";
import { instanceDocument } from "./document.ts";
import type { InstanceRecord, Launch } from "./instance-record.ts";
import type { InstanceStore } from "./instance-store.ts";
import { machineDescription } from "./machine-description.ts";
import { prepareScratch } from "./scratch-file.ts";

/** Another process may take the agent's port between our choice and QEMU's bind: try again. */
const AGENT_PORT_TRIES = 5;
/** A QEMU that was just killed gives its lock back when the kernel has cleaned up after it. */
const ALIVE_LOCK_TIMEOUT_MS = 5_000;

export interface StartContext {
  readonly store: InstanceStore;
  readonly images: ImageStore;
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
  const { store, images, signal } = context;
  const files = store.files(record.id);
  const { config } = await images.read(record.imageId);
  const binary = await findQemu(signal ? { signal } : {});
  const parts = await imagePaths(record, config, images, store.folders.cache);
  const choice = await acceleratorFor({
    request: record.options.accelerator,
    binary,
    kernelPath: parts.kernelPath,
    kernelDigest: config.kernel.digest,
    cacheFolder: store.folders.cache,
    signal,
  });
  await store.makeRuntimeFolder();
  await using alive = await lockFile(files.aliveLock, { timeoutMs: ALIVE_LOCK_TIMEOUT_MS, signal });
  await rm(files.pid, { force: true });
  await prepareScratch(record, store);
  const document = JSON.stringify(instanceDocument(record));
  await withIoError("write", files.document, writeFile(files.document, document, { mode: 0o600 }));
  const journalOffset = await stat(files.journal).then(
    ({ size }) => size,
    () => 0,
  );
  // QEMU would make it readable for others; and followers may come before QEMU.
  for (const [path, flag] of [
    [files.journal, "a"],
    [files.console, "w"],
  ] as const) {
    await withIoError("write", path, writeFile(path, "", { flag, mode: 0o600 }));
  }
  const { forwards, agentPort, process } = await launchQemu(record, {
    ...context,
    binary,
    alive,
    machine: { ...parts, accelerator: choice.accelerator },
  });
  const launch: Launch = {
    startedAt: new Date().toISOString(),
    accelerator: choice.accelerator,
    acceleratorReason: choice.reason,
    process,
    agentPort,
    forwards,
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

interface LaunchContext extends StartContext {
  readonly binary: QemuBinary;
  readonly alive: FileLock;
  readonly machine: Omit<Parameters<typeof machineDescription>[0], "record" | "files" | "forwards">;
}

async function launchQemu(
  record: InstanceRecord,
  { store, binary, alive, machine, signal }: LaunchContext,
): Promise<Pick<Launch, "forwards" | "agentPort" | "process">> {
  const files = store.files(record.id);
  const agent: PublishRequest = {
    protocol: "tcp",
    hostAddress: DEFAULT_HOST_ADDRESS,
    hostPort: undefined,
    guestPort: AGENT_PORT,
  };
  for (let attempt = 1; ; attempt += 1) {
    const reservation = await reserveHostPorts([agent, ...record.options.publish]);
    const [agentForward, ...forwards] = reservation.forwards;
    const all = reservation.forwards;
    await reservation.close();
    try {
      const description = machineDescription({ ...machine, record, files, forwards: all });
      const qemu = await startQemu(description, {
        binary,
        stderrLogPath: files.qemuLog,
        lockFd: alive.fd,
        signal,
      });
      await qemu.qmp.close();
      const { pid, startTicks, bootId } = qemu;
      const process = { pid, startTicks, bootId };
      return { forwards, agentPort: agentForward?.hostPort ?? 0, process };
    } catch (error) {
      const taken = error instanceof HostError && error.code === "WL_PORT_UNAVAILABLE";
      if (!taken || attempt === AGENT_PORT_TRIES) throw error;
    }
  }
}

async function imagePaths(
  record: InstanceRecord,
  config: ImageConfig,
  images: ImageStore,
  cacheFolder: string,
): Promise<{ kernelPath: string; firstStagePath: string; basePath: string; rootPath: string }> {
  const { kernel, firstStage, base, root } = config;
  for (const part of [kernel, firstStage, base, root]) {
    if (!(await images.blobs.has(part))) await images.blobs.read(part); // says what is wrong
  }
  const packed = { path: images.blobs.path(kernel.digest), digest: kernel.digest };
  return {
    kernelPath: record.options.kernelPath ?? (await bootKernel(packed, cacheFolder)),
    firstStagePath: images.blobs.path(firstStage.digest),
    basePath: images.blobs.path(base.digest),
    rootPath: images.blobs.path(root.digest),
  };
}
