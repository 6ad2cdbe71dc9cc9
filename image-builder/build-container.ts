/** A container image becomes an image of the store: its root whole, with Node and the agent apart from it. */
import { createHash } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { apartEntries, apartInit } from "./base/apart-tree.ts";
import { guestFolder } from "./base/guest-folder.ts";
import { billOfMaterials } from "./bill-of-materials.ts";
import {
  type BuildOptions,
  type BuildResult,
  baseKey,
  DEFAULT_MEMORY_MIB,
  Steps,
  storeKernel,
  storeTree,
} from "./build-image.ts";
import type { ContainerConfig } from "./containers/container-config.ts";
import type { ContainerImage } from "./containers/container-image.ts";
import { containerProgram } from "./containers/container-program.ts";
import { readDockerArchive } from "./containers/docker-archive.ts";
import { readOciLayout } from "./containers/oci-layout.ts";
import { unpackContainer } from "./containers/unpack.ts";
import { openErofs } from "./filesystems/erofs-reader.ts";
import { helperExecutables } from "./first-process/helpers.ts";
import { chooseKernel } from "./kernels/kernel-choice.ts";
import { KernelStore } from "./kernels/kernel-store.ts";
import { withIoError } from "./runtimes/io-error.ts";
import {
  NODE_GUEST_PATH,
  nodeRuntimeEntries,
  resolveNodeRuntime,
} from "./runtimes/node-runtime.ts";
import { BuildMemory } from "./store/build-memory.ts";
import { windlassFolders } from "./store/folders.ts";
import { type ImageConfig, imageName, SHORT_ID_LENGTH } from "./store/image.ts";
import { ImageStore } from "./store/image-store.ts";
import { pathBeside, removeDeadRemains } from "./store/replace-file.ts";
import { WINDLASS_VERSION } from "./version.ts";

export interface ContainerBuildOptions
  extends Pick<BuildOptions, "name" | "kernel" | "folders" | "onStep" | "onProgress" | "signal"> {
  /** Default name of the image, when `name` is absent and the container image says none. */
  readonly defaultName?: string | undefined;
}

export interface LayoutBuildOptions extends ContainerBuildOptions {
  /** A folder in the OCI image layout: oci-layout, index.json, blobs/ALGORITHM/HEX. It is only read. */
  readonly layoutFolder: string;
  /**
   * Which image of it: an annotation org.opencontainers.image.ref.name, or a digest "sha256:HEX" of an
   * index or manifest. Default: the only one.
   */
  readonly reference?: string | undefined;
}

export interface ArchiveBuildOptions extends ContainerBuildOptions {
  /** Written by `docker save`, not packed. */
  readonly archiveFile: string;
  /** One of its tags, "nginx:1.27". Default: the only image. */
  readonly reference?: string | undefined;
}

/** Changes when another tree comes of the same image. */
const TREE_FORMAT = 3;

/**
 * Builds an image from a container image of a local OCI layout, for linux/amd64.
 *
 * @throws {ImageError} WL_IMAGE_CONTAINER_INVALID when the layout, a document or a layer cannot be used
 */
export async function buildFromLayout(options: LayoutBuildOptions): Promise<BuildResult> {
  const { layoutFolder, reference } = options;
  const defaultName = options.defaultName ?? basename(resolve(layoutFolder));
  return await buildContainer({ ...options, defaultName }, () =>
    readOciLayout(layoutFolder, reference),
  );
}

/**
 * The same from an archive of `docker save`.
 *
 * @throws {ImageError} WL_IMAGE_CONTAINER_INVALID
 */
export async function buildFromArchive(options: ArchiveBuildOptions): Promise<BuildResult> {
  const { archiveFile, reference } = options;
  const defaultName = options.defaultName ?? basename(archiveFile).replace(/\.tar$/, "");
  return await buildContainer({ ...options, defaultName }, () =>
    readDockerArchive(archiveFile, reference),
  );
}

async function buildContainer(
  options: ContainerBuildOptions,
  read: () => Promise<ContainerImage>,
): Promise<BuildResult> {
  const { folders = windlassFolders(), signal } = options;
  if (options.name !== undefined) imageName(options.name); // Refused now, not after the work.
  const wait = signal ? { signal } : {};
  const steps = new Steps(options);
  const store = new ImageStore(folders.data);
  const memory = new BuildMemory(folders.cache, store.blobs);
  await mkdir(folders.cache, { recursive: true });
  await using _lock = await store.lock({ shared: true, ...wait });

  const container = await steps.run("manifest", async () => {
    const value = await read();
    return { value, detail: `container image, ${value.layers.length} layers` };
  });
  const cacheDirectory = folders.cache;
  const runtime = await steps.run("runtime", async () => {
    const value = await resolveNodeRuntime({ cacheDirectory, ...wait });
    return { value, detail: `Node ${value.version}, for the agent` };
  });
  const { kernel, kernelPart, firstStage } = await steps.run("kernel", async () => {
    const chosen = await chooseKernel(new KernelStore(folders.data), options.kernel);
    const value = await storeKernel(store, memory, chosen);
    return { value, detail: `Linux ${chosen.release}`, sizeBytes: chosen.sizeBytes };
  });
  const runtimeEntries = await nodeRuntimeEntries(runtime, { cacheDirectory, ...wait });
  const base = await steps.run("base", () =>
    storeTree({ store, memory, signal }, "base", async () => ({
      key: `apart ${digestOf(apartInit())} ${await baseKey(runtime, runtimeEntries)}`,
      make: async () => {
        const entries = await apartEntries(runtimeEntries, {
          guestFolder: guestFolder(),
          nodePath: runtime.executablePath,
          nodeGuestPath: NODE_GUEST_PATH,
          signal,
        });
        return { entries };
      },
    })),
  );
  const helpers = helperExecutables().map(({ name }) => name); // The tree has links to them.
  const root = await steps.run("program", () =>
    withScratchFolder(cacheDirectory, (folder) =>
      storeTree({ store, memory, signal }, "program", async () => ({
        key: `container ${TREE_FORMAT} ${helpers.join(" ")} ${container.id}`,
        // Compressing takes longer than all the rest, and reading the tree is slower when it is emulated.
        compression: "none",
        make: () => unpackContainer(container, { folder, storeFolder: folders.data, signal }),
      })),
    ),
  );
  return await steps.run("image", async () => {
    const name = options.name ?? usableName(container.name, options.defaultName);
    const parts = { manifest: { name }, project: { dependencies: [] }, runtime, runtimeEntries };
    const materials = billOfMaterials({ ...parts, kernel });
    await using reader = await openErofs(store.blobs.path(root.part.digest));
    const config: ImageConfig = {
      schemaVersion: 1,
      platform: "linux",
      architecture: "x86_64",
      windlass: WINDLASS_VERSION,
      program: await containerProgram(container.config, reader),
      replaceableArgs: container.config.cmd.length,
      ...exposedPorts(container.config),
      memoryMib: DEFAULT_MEMORY_MIB,
      vcpuCount: 1,
      runtime: { name: "container", version: container.id.slice(0, "sha256:".length + 12) },
      kernel: { ...kernelPart, release: kernel.release, source: kernel.source },
      firstStage,
      base: base.part,
      root: root.part,
      billOfMaterials: await store.blobs.put(
        Buffer.from(`${JSON.stringify(materials, null, 2)}\n`),
      ),
    };
    const image = await store.add(config, name);
    const detail = `${image.names.join(", ")} ${image.id.slice(0, SHORT_ID_LENGTH)}`;
    return { value: { image, warnings: root.warnings }, detail };
  });
}

/** A folder in the cache for the time of some work; what a killed build left is removed as well. */
async function withScratchFolder<T>(
  cacheFolder: string,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const parent = join(cacheFolder, "containers");
  const folder = pathBeside(join(parent, "layers"));
  await removeDeadRemains(parent);
  await withIoError("write", folder, mkdir(folder, { recursive: true, mode: 0o700 }));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function exposedPorts({ ports }: ContainerConfig): Pick<ImageConfig, "exposedPorts"> {
  return ports.length > 0 ? { exposedPorts: ports } : {};
}

/** The first that is a name here; the host of a registry is none. */
function usableName(...names: readonly (string | undefined)[]): string {
  for (const name of names) {
    const short = name?.replace(/^[^/]*[.:][^/]*\//, "").replace(/@.*$/, "");
    if (short === undefined) continue;
    try {
      return imageName(short);
    } catch {
      // The next one may be.
    }
  }
  return "container";
}

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
