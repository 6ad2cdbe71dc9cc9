/** A container image becomes an image of the store: its root whole, with Node and the agent apart from it. */
import type { BuildOptions, BuildResult } from "./build-image.ts";
import { ImageError } from "./errors.ts";

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

/**
 * Builds an image from a container image of a local OCI layout, for linux/amd64.
 *
 * @throws {ImageError} WL_IMAGE_CONTAINER_INVALID when the layout, a document or a layer cannot be used
 */
export async function buildFromLayout(options: LayoutBuildOptions): Promise<BuildResult> {
  throw new ImageError("WL_IMAGE_STORE", `Cannot read "${options.layoutFolder}" yet`);
}
