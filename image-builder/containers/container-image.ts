/** A container image as it is found: its configuration and its layers, none of them read yet. */
import { type ContainerConfig, parseConfig } from "./container-config.ts";
import { containerError } from "./container-error.ts";
import { Document } from "./document.ts";
import type { Compression, Digest, Layer } from "./layer-stream.ts";

export interface ContainerImage {
  /** Digest of the configuration: the same for the same content, however it is packed. */
  readonly id: Digest;
  /** As its author called it, "nginx:1.27"; absent when nothing says so. */
  readonly name?: string | undefined;
  readonly config: ContainerConfig;
  readonly layers: readonly Layer[];
}

/** A layer's blob, before it is known what it must unpack to. */
export interface LayerBlob extends Pick<Layer, "digest" | "sizeBytes" | "open"> {
  readonly compression: Compression;
}

/** Engines stop at 127. */
const LAYERS_MAX = 1000;

/**
 * Puts configuration and blobs together.
 *
 * @throws {ImageError} WL_IMAGE_CONTAINER_INVALID when they do not fit, or it is for another machine
 */
export function containerImage(
  { id, name }: Pick<ContainerImage, "id" | "name">,
  configBytes: Uint8Array,
  blobs: readonly LayerBlob[],
): ContainerImage {
  const document = Document.parse("The image's configuration", configBytes);
  const { config, diffIds } = parseConfig(document);
  if (blobs.length > LAYERS_MAX) {
    throw containerError(`The image has ${blobs.length} layers, more than ${LAYERS_MAX}`);
  }
  if (diffIds.length !== blobs.length) {
    throw containerError(
      `The image has ${blobs.length} layers, its configuration knows ${diffIds.length}`,
    );
  }
  const layers = blobs.map((blob, index) => ({
    ...blob,
    diffId: diffIds[index] as Digest,
    title: `Layer ${index + 1} of ${blobs.length}`,
  }));
  return { id, name, config, layers };
}
