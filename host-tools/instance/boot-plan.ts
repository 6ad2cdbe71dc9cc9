/** What a start of an instance needs and is made of: QEMU, accelerator, kernel, disks. */
import { bootKernel } from "../../image-builder/kernels/boot-kernel.ts";
import { settled } from "../../image-builder/settled.ts";
import type { ImageConfig } from "../../image-builder/store/image.ts";
import type { ImageStore } from "../../image-builder/store/image-store.ts";
import type { AcceleratorChoice } from "../qemu/accelerator.ts";
import type { QemuBinary } from "../qemu/binary.ts";
import { cachedQemu } from "../qemu/binary-cache.ts";
import type { Machine, MemoryFile, PortForward } from "../qemu/machine.ts";
import { acceleratorFor } from "./accelerator-choice.ts";
import { emulatedKernel } from "./emulated-kernel.ts";
import type { InstanceFiles } from "./instance-files.ts";
import type { InstanceRecord } from "./instance-record.ts";
import { type MachineParts, machineDescription } from "./machine-description.ts";
import { type MachineTraits, machineTraits } from "./machine-traits.ts";

export interface BootContext {
  readonly images: ImageStore;
  readonly cacheFolder: string;
  readonly signal?: AbortSignal | undefined;
}

/** How a machine comes to life. */
export type BootMode =
  /** The kernel boots; with a memory file, RAM is in it. */
  | { readonly kind: "cold"; readonly memoryFile?: MemoryFile | undefined }
  /**
   * A saved state is loaded; without a memory file, RAM is in the state. With one, it is a template's: the wake
   * port is a socket that QEMU inherits.
   */
  | { readonly kind: "load"; readonly memoryFile?: MemoryFile | undefined };

export interface BootPlan {
  readonly binary: QemuBinary;
  readonly choice: AcceleratorChoice;
  readonly traits: MachineTraits;
  describe(files: InstanceFiles, forwards: readonly PortForward[], mode: BootMode): Machine;
}

/**
 * @throws {HostError} WL_QEMU_UNAVAILABLE, WL_ACCELERATOR_UNAVAILABLE; {ImageError} WL_IMAGE_STORE,
 *   WL_IMAGE_IO
 */
export async function planBoot(
  record: InstanceRecord,
  files: InstanceFiles,
  { images, cacheFolder, signal }: BootContext,
): Promise<BootPlan> {
  const [{ config }, binary] = await settled([
    images.read(record.imageId),
    cachedQemu(cacheFolder, { signal }),
  ]);
  const parts = await imagePaths(record, config, images, cacheFolder);
  const choice = await acceleratorFor({
    request: record.options.accelerator,
    binary,
    kernelPath: parts.kernelPath,
    kernelDigest: config.kernel.digest,
    cacheFolder,
    signal,
  });
  const { accelerator } = choice;
  // A file that was asked for by name is taken as it is.
  const isOurs = record.options.kernelPath === undefined;
  const kernelPath =
    accelerator === "tcg" && isOurs
      ? await emulatedKernel(parts.kernelPath, cacheFolder)
      : parts.kernelPath;
  const describe: BootPlan["describe"] = (where, forwards, mode) =>
    machineDescription({ ...parts, kernelPath, record, files: where, accelerator, forwards, mode });
  const kernel = record.options.kernelPath ?? config.kernel.release;
  const traits = machineTraits(describe(files, [], { kind: "cold" }), {
    qemuVersion: binary.version,
    kernel,
    scratch: record.options.scratch,
  });
  return { binary, choice, traits, describe };
}

/** How a kernel that comes from a package says so (kernel-package.ts). */
const DEBIAN_SOURCE = "Debian package ";

type ImageFiles = Pick<
  MachineParts,
  "kernelPath" | "isDebianKernel" | "firstStagePath" | "basePath" | "rootPath"
>;

async function imagePaths(
  record: InstanceRecord,
  config: ImageConfig,
  images: ImageStore,
  cacheFolder: string,
): Promise<ImageFiles> {
  const { kernel, firstStage, base, root } = config;
  const all = [kernel, firstStage, base, root];
  const present = await Promise.all(all.map((part) => images.blobs.has(part)));
  const lost = all.find((_part, index) => !present[index]);
  if (lost) await images.blobs.read(lost); // says what is wrong
  const packed = { path: images.blobs.path(kernel.digest), digest: kernel.digest };
  const named = record.options.kernelPath;
  return {
    kernelPath: named ?? (await bootKernel(packed, cacheFolder)),
    isDebianKernel: named === undefined && kernel.source.startsWith(DEBIAN_SOURCE),
    firstStagePath: images.blobs.path(firstStage.digest),
    basePath: images.blobs.path(base.digest),
    rootPath: images.blobs.path(root.digest),
  };
}
