/**
 * Images of Windlass as OCI artifacts. The configuration is the image's own, byte for byte, so its digest is
 * the image's id. Each part is a layer; `+gzip` says that it is compressed.
 */
import { type ImageConfig, imageParts, type Part } from "../store/image.ts";
import type { Descriptor } from "./manifest.ts";

export const WINDLASS_CONFIG = "application/vnd.windlass.image.config.v1+json";
export const GZIP_SUFFIX = "+gzip";

export interface ImagePart extends Part {
  /** "first stage" */
  readonly name: string;
  /** "application/vnd.windlass.image.first-stage.v1" */
  readonly mediaType: string;
}

/** In the order of the layers. */
export function artifactParts(config: ImageConfig): ImagePart[] {
  return Object.entries(imageParts(config)).map(([name, { digest, sizeBytes }]) => ({
    ...{ name, digest, sizeBytes },
    mediaType: `application/vnd.windlass.image.${kebabCase(name)}.v1`,
  }));
}

/** The layer that holds a part. */
export function layerOf(
  part: ImagePart,
  layers: readonly Descriptor[],
): { readonly layer: Descriptor; readonly isCompressed: boolean } | undefined {
  const plain = layers.find(({ mediaType }) => mediaType === part.mediaType);
  if (plain) return { layer: plain, isCompressed: false };
  const packed = layers.find(({ mediaType }) => mediaType === `${part.mediaType}${GZIP_SUFFIX}`);
  return packed && { layer: packed, isCompressed: true };
}

function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`).replaceAll(" ", "-");
}
