/**
 * A kernel of our own: Debian's kernel source, configured by kernel.config for nothing but a virtual
 * machine, without modules. The same source, configuration and compiler give the same bytes, so what was
 * built is kept under a digest of the three:
 *
 * ```
 * CACHE/built-kernels/DIGEST    a bzImage
 *                     .lock     held by whoever builds
 *                     .new-*    the tree of a running build
 * ```
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, stat, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ImageError } from "../errors.ts";
import { withIoError } from "../runtimes/io-error.ts";
import { lockFile } from "../store/file-lock.ts";
import { pathBeside, removeRemains } from "../store/replace-file.ts";
import { compilerVersions } from "./kernel-compiler.ts";
import { canonicalOptions, kernelOptions } from "./kernel-configuration.ts";
import { compileKernel, configureKernel, diskFull, KERNEL_ORIGIN } from "./kernel-make.ts";
import {
  fetchKernelSource,
  findKernelSource,
  type KernelSource,
  unpackKernelSource,
} from "./kernel-source.ts";
import { changeSource, SOURCE_CHANGES } from "./kernel-source-changes.ts";
import type { Kernel, KernelStore } from "./kernel-store.ts";

export type KernelBuildStep = "check" | "fetch" | "unpack" | "configure" | "compile" | "store";

/** One step of a kernel's build has ended. */
export interface KernelBuildProgress {
  readonly step: KernelBuildStep;
  /** What came of it, in words. */
  readonly detail: string;
  readonly durationMs: number;
}

export interface KernelBuildOptions {
  readonly store: KernelStore;
  /** Folders.cache */
  readonly cacheFolder: string;
  /** Path of a configuration; default: kernel.config. */
  readonly configurationPath?: string | undefined;
  /** Told as a step begins. */
  readonly onStep?: ((step: KernelBuildStep) => void) | undefined;
  /** Told as a step ends. */
  readonly onProgress?: ((progress: KernelBuildProgress) => void) | undefined;
  /** Told of the part of the objects that are compiled, from 0 to 1; it is an estimate. */
  readonly onCompiled?: ((share: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface KernelBuildResult {
  readonly kernel: Kernel;
  /** It was built before. */
  readonly cached: boolean;
}

/** The tree with all objects, and some more. */
const NEEDED_BYTES = 2 * 1024 ** 3;
/** Changes when the same three inputs would give another kernel. */
const RECIPE = 1;

/**
 * Builds the kernel, unless the same one was built before, takes it into the store and makes it the current
 * one.
 *
 * @throws {ImageError} WL_IMAGE_KERNEL_UNAVAILABLE when a tool or the source is missing, an option does not
 *   take effect, or the compiler fails; WL_IMAGE_IO; or the signal's reason. The store is as before then.
 */
export async function buildKernel(options: KernelBuildOptions): Promise<KernelBuildResult> {
  const { store, signal } = options;
  const folder = builtKernels(options.cacheFolder);
  const run = stepRunner(options);
  const { recipe, digest } = await run("check", async () => {
    const value = await findRecipe(options.configurationPath ?? ownConfiguration(), signal);
    return { value, detail: `${sourceWords(value.recipe.source)}, ${value.recipe.compilers[0]}` };
  });
  await withIoError("write", folder, mkdir(folder, { recursive: true, mode: 0o700 }));
  await using _lock = await lockFile(join(folder, ".lock"), { signal });
  await removeRemains(folder);
  const image = join(folder, digest);
  const cached = await isFile(image);
  if (!cached) await make(recipe, image, run, options);
  const kernel = await run("store", async () => {
    const source = `built from ${sourceWords(recipe.source)}, configuration ${digest.slice(0, 12)}`;
    const value = await store.add({ vmlinuzPath: image, modulePaths: [], source });
    await store.use(value.release);
    return { value, detail: `${value.release} is the current kernel` };
  });
  return { kernel, cached };
}

/**
 * Whether `buildKernel` would find the kernel built.
 *
 * @throws what `buildKernel` throws when it cannot tell
 */
export async function isKernelBuilt(
  options: Pick<KernelBuildOptions, "cacheFolder" | "configurationPath" | "signal">,
): Promise<boolean> {
  const path = options.configurationPath ?? ownConfiguration();
  const { digest } = await findRecipe(path, options.signal);
  return await isFile(join(builtKernels(options.cacheFolder), digest));
}

const builtKernels = (cacheFolder: string): string => join(cacheFolder, "built-kernels");

interface Recipe {
  readonly source: KernelSource;
  readonly configuration: string;
  readonly compilers: readonly string[];
}

async function findRecipe(
  path: string,
  signal: AbortSignal | undefined,
): Promise<{ recipe: Recipe; digest: string }> {
  const configuration = await withIoError("read", path, readFile(path, "utf8"));
  const options = kernelOptions(configuration, path);
  const compilers = await compilerVersions(signal);
  const source = await findKernelSource(signal);
  const identity = [
    RECIPE,
    source.packageName,
    source.version,
    ...compilers,
    KERNEL_ORIGIN,
    SOURCE_CHANGES,
  ];
  const hash = createHash("sha256").update(JSON.stringify(identity));
  const digest = hash.update(canonicalOptions(options)).digest("hex");
  return { recipe: { source, configuration, compilers }, digest };
}

/** Builds in a folder beside the image, of which nothing is left whatever happens. */
async function make(
  recipe: Recipe,
  image: string,
  run: StepRunner,
  { onCompiled, signal }: KernelBuildOptions,
): Promise<void> {
  await checkSpace(dirname(image));
  const work = pathBeside(image);
  const tree = join(work, "linux");
  try {
    await withIoError("write", work, mkdir(work));
    const path = await run("fetch", async () => {
      const value = await fetchKernelSource(recipe.source, work, signal);
      return { value, detail: sourceWords(recipe.source) };
    });
    await run("unpack", async () => {
      await unpackKernelSource(path, tree, signal);
      await changeSource(tree);
      return { value: undefined, detail: "source tree" };
    });
    await run("configure", async () => {
      await configureKernel(tree, recipe.configuration, signal);
      return { value: undefined, detail: "all options in effect" };
    });
    const { path: built } = await run("compile", async () => {
      const value = await compileKernel(tree, onCompiled, signal);
      return { value, detail: `${value.objectCount} objects` };
    });
    await withIoError("write", image, rename(built, image));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function checkSpace(folder: string): Promise<void> {
  const { bavail, bsize } = await withIoError("read", folder, statfs(folder));
  const freeBytes = bavail * bsize;
  if (freeBytes >= NEEDED_BYTES) return;
  const mib = (bytes: number): number => Math.floor(bytes / 1024 ** 2);
  throw diskFull(`"${folder}" has ${mib(freeBytes)} MiB free, ${mib(NEEDED_BYTES)} are needed`);
}

async function isFile(path: string): Promise<boolean> {
  return await stat(path).then(
    (entry) => entry.isFile(),
    () => false,
  );
}

function sourceWords({ packageName, version }: KernelSource): string {
  return `${packageName} ${version}`;
}

/**
 * Where kernel.config is, whether run from dist or source.
 *
 * @throws {ImageError} WL_IMAGE_IO when the package lacks it
 */
export function ownConfiguration(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const candidate = join(folder, "image-builder/kernels/kernel.config");
    if (existsSync(candidate)) return candidate;
    if (folder === dirname(folder)) break;
  }
  throw new ImageError("WL_IMAGE_IO", "Cannot find kernel.config: Windlass is not whole", {
    next: "Install Windlass again",
  });
}

type StepRunner = <T>(
  step: KernelBuildStep,
  action: () => Promise<{ readonly value: T; readonly detail: string }>,
) => Promise<T>;

/** Times the steps and reports each. */
function stepRunner({ onStep, onProgress, signal }: KernelBuildOptions): StepRunner {
  return async (step, action) => {
    signal?.throwIfAborted();
    onStep?.(step);
    const startedMs = performance.now();
    const { value, detail } = await action();
    onProgress?.({ step, detail, durationMs: performance.now() - startedMs });
    return value;
  };
}
