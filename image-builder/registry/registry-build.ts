/** `windlass build --from HOST/NAME:TAG`: a container image of a registry becomes an image of the store. */
import { rm } from "node:fs/promises";
import { buildFromLayout, type ContainerBuildOptions } from "../build-container.ts";
import type { BuildResult } from "../build-image.ts";
import { ImageError } from "../errors.ts";
import { windlassFolders } from "../store/folders.ts";
import { type PulledLayout, pullLayout, type TransferProgress } from "./layout-pull.ts";
import { registryReference } from "./reference.ts";
import type { RegistryOptions } from "./registry-client.ts";

export interface RegistryBuildOptions extends ContainerBuildOptions, RegistryOptions {
  /** HOST[:PORT]/NAME[:TAG|@sha256:HEX] */
  readonly reference: string;
  /** Told while layers arrive. */
  readonly onTransfer?: ((progress: TransferProgress) => void) | undefined;
  /** Told when all of it is in the cache. */
  readonly onPulled?: ((pulled: PulledLayout) => void) | undefined;
}

/** @throws {ImageError} WL_IMAGE_REGISTRY, and what buildFromLayout throws; or the signal's reason */
export async function buildFromRegistry(options: RegistryBuildOptions): Promise<BuildResult> {
  const { folders = windlassFolders(), onTransfer, onPulled } = options;
  const reference = registryReference(options.reference);
  const pulled = await pullLayout({
    ...options,
    ...{ reference, cacheFolder: folders.cache, onProgress: onTransfer },
  });
  onPulled?.(pulled);
  const base = reference.repository.slice(reference.repository.lastIndexOf("/") + 1);
  const tagged = reference.tag === undefined ? base : `${base}:${reference.tag}`;
  const defaultName = options.defaultName ?? tagged;
  const { layoutFolder, digest } = pulled;
  try {
    return await buildFromLayout({ ...options, defaultName, layoutFolder, reference: digest });
  } catch (error) {
    // What the cache has may have been damaged since it came: the next attempt begins anew.
    const isInvalid = error instanceof ImageError && error.code === "WL_IMAGE_CONTAINER_INVALID";
    if (isInvalid) await Promise.all(pulled.blobPaths.map((path) => rm(path, { force: true })));
    throw error;
  }
}
