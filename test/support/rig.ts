/**
 * A Windlass of its own for one suite: folders, a kernel, images, machines. Disposing of it ends every
 * machine and removes every file, also when a test failed. Machines are always emulated.
 */
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type Instance, Instances } from "../../host-tools/instance/instances.ts";
import type { CreateOptions } from "../../host-tools/instance/new-record.ts";
import type { Readiness } from "../../host-tools/instance/readiness.ts";
import {
  identifyProcess,
  signalProcess,
  waitForExit,
} from "../../host-tools/qemu/process-identity.ts";
import { guestFolder } from "../../image-builder/base/guest-folder.ts";
import { type BuildProgress, build } from "../../image-builder/build-image.ts";
import { addDebianKernel } from "../../image-builder/kernels/kernel-package.ts";
import { KernelStore, modulePaths, vmlinuzPath } from "../../image-builder/kernels/kernel-store.ts";
import type { Folders } from "../../image-builder/store/folders.ts";
import type { Image } from "../../image-builder/store/image.ts";
import { presentKernel } from "./kernel.ts";
import { qemuMissing } from "./qemu.ts";
import { plantSeed } from "./seed.ts";
import { MACHINE_TIMEOUT_MS, type Suite, suite, type TestContext } from "./suite.ts";
import { type TemporaryFolder, temporaryFolder } from "./temporary-folder.ts";

const EXAMPLES = resolve(import.meta.dirname, "../../examples");

/** Why images cannot be built, or machines not be booted here; undefined when they can. */
export async function bootMissing(): Promise<string | undefined> {
  return (await buildMissing()) ?? (await qemuMissing());
}

/** Why images cannot be built here; undefined when they can. */
export async function buildMissing(): Promise<string | undefined> {
  try {
    guestFolder();
  } catch (error) {
    return (error as Error).message;
  }
  if (await presentKernel()) return undefined;
  if (process.env["WINDLASS_TEST_NETWORK"] === "1") return undefined;
  return 'there is no kernel: run "windlass kernel add debian", or set WINDLASS_TEST_NETWORK=1';
}

export interface BootedMachine {
  readonly instance: Instance;
  readonly readiness: Readiness;
}

export interface Rig extends AsyncDisposable {
  readonly folder: TemporaryFolder;
  readonly folders: Folders;
  readonly instances: Instances;
  /** Builds a folder, or an example by its name. */
  build(project: string, options?: RigBuild): Promise<Image>;
  /** A project folder of these files, outside of Windlass's own folders. */
  project(name: string, files: Readonly<Record<string, string>>): Promise<string>;
  /** Makes and starts an instance, and waits until it is ready or has ended. */
  boot(options: CreateOptions): Promise<BootedMachine>;
  /** Every process of this machine whose command line names this rig's folder. */
  processes(): Promise<number[]>;
  /** Every file of this rig's instances. */
  instanceFiles(): Promise<string[]>;
}

export interface RigBuild {
  readonly name?: string;
  readonly onProgress?: (progress: BuildProgress) => void;
}

export interface RigOptions {
  /** Without what another build left: default false. */
  readonly empty?: boolean;
  readonly signal?: AbortSignal;
}

export async function machineRig({ empty = false, signal }: RigOptions = {}): Promise<Rig> {
  const folder = await temporaryFolder();
  const folders: Folders = {
    data: folder.file("data"),
    cache: folder.file("cache"),
    runtime: folder.file("run"),
  };
  const instances = new Instances(folders);
  const rig: Rig = {
    ...{ folder, folders, instances },
    async build(project, options = {}) {
      const path = project.includes("/") ? project : join(EXAMPLES, project);
      const { image } = await build({ folder: path, folders, ...options });
      return image;
    },
    async project(name, files) {
      const path = folder.file(`projects/${name}`);
      await mkdir(path, { recursive: true });
      for (const [file, text] of Object.entries({ ...packageJson(name), ...files })) {
        await writeFile(join(path, file), text);
      }
      return path;
    },
    async boot(options) {
      const { record } = await instances.create({ accelerator: "tcg", ...options });
      const instance = await instances.start(record.id);
      const readiness = await instances.ready(instance);
      return { instance, readiness };
    },
    processes: () => processesNaming(folder.path),
    async instanceFiles() {
      const paths = [join(folders.data, "instances"), join(folders.data, "pins"), folders.runtime];
      const names = await Promise.all(paths.map((path) => readdir(path).catch(() => [])));
      return names.flat().filter((name) => name !== ".create.lock");
    },
    async [Symbol.asyncDispose]() {
      // By the process table, not by the records: a test may have failed between the two.
      for (const pid of await processesNaming(folder.path)) {
        const target = await identifyProcess(pid);
        if (!target) continue;
        await signalProcess(target, "SIGKILL");
        await waitForExit(target);
      }
      await folder[Symbol.asyncDispose]();
    },
  };
  try {
    if (!empty) await plantSeed(folders);
    await importKernel(folders, signal);
  } catch (error) {
    await rig[Symbol.asyncDispose]();
    throw error;
  }
  return rig;
}

export interface MachineSuiteOptions {
  /** Default MACHINE_TIMEOUT_MS. */
  readonly timeoutMs?: number;
  /** What the tests cannot run without, beside machines; undefined when it is here. */
  readonly missing?: string | undefined;
  /** Keeps the rig for the tests, and does with it what they all need. */
  readonly setup: (newRig: Rig, context: TestContext) => unknown;
  /** For what setup made beside the rig; it may have failed half-way. The rig is disposed of afterwards. */
  readonly teardown?: () => unknown;
}

/**
 * A suite whose tests share one rig, made before the first test and disposed of after the last one. Where
 * no machine can be booted, or something else is `missing`, every test is skipped with that reason.
 */
export async function machineSuite(name: string, options: MachineSuiteOptions): Promise<Suite> {
  let rig: Rig | undefined;
  return suite(name, {
    timeoutMs: options.timeoutMs ?? MACHINE_TIMEOUT_MS,
    missing: (await bootMissing()) ?? options.missing,
    async setup(context) {
      rig = await machineRig();
      await options.setup(rig, context);
    },
    async teardown() {
      try {
        await options.teardown?.();
      } finally {
        await rig?.[Symbol.asyncDispose]();
      }
    },
  });
}

function packageJson(name: string): Record<string, string> {
  return { "package.json": JSON.stringify({ name, version: "1.0.0", main: "index.js" }) };
}

/** Takes this machine's kernel in, or Debian's from the network where that was allowed. */
async function importKernel(folders: Folders, signal: AbortSignal | undefined): Promise<void> {
  const store = new KernelStore(folders.data);
  const present = await presentKernel();
  if (!present) {
    await addDebianKernel(store, { cacheFolder: folders.cache, ...(signal ? { signal } : {}) });
    return;
  }
  await store.add({
    vmlinuzPath: vmlinuzPath(present),
    modulePaths: modulePaths(present),
    source: present.source,
  });
}

async function processesNaming(text: string): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const line = await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "");
    if (line.includes(text)) found.push(Number(name));
  }
  return found;
}

/** Copies a project to where a test may change it. */
export async function copyProject(example: string, target: string): Promise<string> {
  await cp(join(EXAMPLES, example), target, { recursive: true });
  return target;
}

/** Ends a machine as a crash would. */
export async function killQemu({ record }: Instance): Promise<void> {
  const target = record.launch?.process;
  if (!target) throw new Error(`"${record.name}" was never started`);
  await signalProcess(target, "SIGKILL");
  await waitForExit(target);
}
