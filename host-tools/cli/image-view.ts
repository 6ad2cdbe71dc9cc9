/** An image as `images` and `inspect` show it. Pure. */
import { type Image, imageParts, SHORT_ID_LENGTH } from "../../image-builder/store/image.ts";

/** The JSON of `windlass images --json` and `windlass build --json`: members are only added. */
export interface ImageView {
  readonly id: string;
  readonly names: readonly string[];
  readonly runtime: string;
  readonly kernel: string;
  readonly memoryMib: number;
  readonly vcpuCount: number;
  /** Bytes on disk of each part; parts may be shared with other images. */
  readonly sizes: Readonly<Record<string, number>>;
  /** Of all parts. */
  readonly sizeBytes: number;
}

export function imageView({ id, names, config }: Image): ImageView {
  const parts = Object.entries(imageParts(config));
  const sizes = Object.fromEntries(parts.map(([name, part]) => [name, part.sizeBytes]));
  return {
    id,
    names,
    // An executable has no version.
    runtime: `${config.runtime.name} ${config.runtime.version}`.trimEnd(),
    kernel: config.kernel.release,
    memoryMib: config.memoryMib,
    vcpuCount: config.vcpuCount,
    sizes,
    sizeBytes: parts.reduce((sum, [, part]) => sum + part.sizeBytes, 0),
  };
}

/** Everything about an image. */
export function imageDetails(image: Image): object {
  return { kind: "image", ...imageView(image), config: image.config };
}

export function shortId(id: string): string {
  return id.slice(0, SHORT_ID_LENGTH);
}
