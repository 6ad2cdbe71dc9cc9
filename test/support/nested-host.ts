/**
 * A host with real KVM, on any machine: an emulated one. QEMU's TCG emulates AMD's SVM, so a Linux in
 * it loads kvm_amd, and a QEMU in that runs guests under `-accel kvm`. Slow, but the same code.
 *
 * The host VM is made of Windlass's own pieces: the base of a Windlass image, a second device with
 * what makes it a host (nested-host-files.ts) and a first stage that loads kvm_amd besides what a guest
 * loads. In place of the agent it runs nested-host-program.ts, whose report comes out as the journal would.
 */
import { randomUUID } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { JOURNAL_PORT } from "../../guest/api/channel.ts";
import { kernelCommandLine } from "../../host-tools/instance/kernel-command-line.ts";
import { writeErofs } from "../../image-builder/filesystems/erofs-writer.ts";
import { bootKernel } from "../../image-builder/kernels/boot-kernel.ts";
import { firstStageArchive } from "../../image-builder/kernels/first-stage-archive.ts";
import {
  type Kernel,
  KernelStore,
  modulePaths,
  vmlinuzPath,
} from "../../image-builder/kernels/kernel-store.ts";
import { moduleLoadOrder } from "../../image-builder/kernels/module-set.ts";
import { orderTree } from "../../image-builder/rootfs/tree.ts";
import type { Image } from "../../image-builder/store/image.ts";
import { ImageStore } from "../../image-builder/store/image-store.ts";
import { presentKernel } from "./kernel.ts";
import { machineIn } from "./machine.ts";
import { findHostFiles, nestedHostEntries } from "./nested-host-files.ts";
import type { NestedResults } from "./nested-host-steps.ts";
import { qemuRig } from "./qemu.ts";
import { bootMissing, type Rig } from "./rig.ts";

/** A guest of 256 MiB, its QEMU, the CLI, and the memory layer of the root. */
const MEMORY_MIB = 1536;
/** QEMU's emulation of SVM takes no second CPU well: with CPUs that take turns, guests' kernels died. */
const VCPU_COUNT = 1;
const KVM_MODULE = "kvm_amd";

/** Why there can be no host VM on this machine; undefined when there can. */
export async function nestedHostMissing(): Promise<string | undefined> {
  const missing = await bootMissing();
  if (missing !== undefined) return missing;
  const kernel = await presentKernel();
  if (kernel && (await kvmModules(kernel)).length === 0) {
    return `kernel ${kernel.release} was taken in without ${KVM_MODULE}: run "windlass kernel add debian" again`;
  }
  try {
    await findHostFiles();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

export interface NestedHostRun {
  /** Of the steps that were reached. */
  readonly results: Partial<NestedResults>;
  /** What the host VM's kernel said. */
  readonly console: string;
  /** Why it had to be ended; undefined when it powered off. */
  readonly problem: string | undefined;
}

/**
 * Boots the host VM, which runs nested-host-program.ts and powers off; when it has not after
 * `timeoutMs`, it is ended.
 *
 * @param options.rig has nothing that runs
 * @param options.image its image NESTED.image
 */
export async function runNestedHost(options: {
  readonly rig: Rig;
  readonly image: Image;
  readonly timeoutMs: number;
}): Promise<NestedHostRun> {
  const { rig, image, timeoutMs } = options;
  const { data, cache } = rig.folders;
  const signal = AbortSignal.timeout(timeoutMs);
  const kernel = await new KernelStore(data).get(image.config.kernel.release);
  const packed = { path: vmlinuzPath(kernel), digest: kernel.digest };
  // Into the home's cache: the host VM need not unpack it again.
  const kernelPath = await bootKernel(packed, cache);

  await using qemu = await qemuRig(signal);
  const file = (name: string): string => qemu.folder.file(name);
  await writeFile(file("first-stage"), await firstStage(kernel));
  const tree = orderTree(await nestedHostEntries(rig.folders, signal));
  await writeErofs(tree, file("host.erofs"), { compression: "none", signal });
  const disk = (id: string, path: string) => ({ id, path, format: "raw", readOnly: true }) as const;
  const machine = machineIn(qemu.folder.path, {
    name: "nested-host",
    uuid: randomUUID(),
    memoryMib: MEMORY_MIB,
    vcpuCount: VCPU_COUNT,
    kernel: {
      path: kernelPath,
      initrdPath: file("first-stage"),
      commandLine: kernelCommandLine({ accelerator: "tcg", isDebian: true, vcpuCount: VCPU_COUNT }),
    },
    disks: [
      disk("base", new ImageStore(data).blobs.path(image.config.base.digest)),
      disk("program", file("host.erofs")),
    ],
    ports: [{ name: JOURNAL_PORT, logPath: file("report") }],
  });
  const { waitForExit } = await qemu.start(machine);
  const problem = await waitForExit({ signal }).then(
    () => undefined,
    () => `the host VM did not end in ${timeoutMs} ms`,
  );
  return {
    results: parseReport(await readFile(file("report"), "utf8")),
    console: await readFile(machine.consoleLogPath, "latin1"),
    problem,
  };
}

/** One JSON object a line; the last line may be half of one. */
function parseReport(report: string): Partial<NestedResults> {
  const lines = report.split("\n").slice(0, -1);
  const steps = lines.map((line): [string, unknown] => {
    const { step, result } = JSON.parse(line);
    return [step, result];
  });
  return Object.fromEntries(steps);
}

/** Modules for KVM and what they depend on, in load order; empty where the kernel has none. */
async function kvmModules(kernel: Kernel): Promise<string[]> {
  const order = await moduleLoadOrder(modulePaths(kernel), [KVM_MODULE]);
  return order.map((path) => basename(path));
}

async function firstStage(kernel: Kernel): Promise<Uint8Array> {
  const modules = new Set([...kernel.modules, ...(await kvmModules(kernel))]);
  return await firstStageArchive({ ...kernel, modules: [...modules] });
}
