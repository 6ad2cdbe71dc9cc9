/** The one error of a container image that cannot be used. */
import { ImageError } from "../errors.ts";

const DEFAULT_NEXT = "Get the image again, or have its author build it again";

/** @param message capital letter, active voice, quoted values, no full stop */
export function containerError(
  message: string,
  { next = DEFAULT_NEXT, file, cause }: { next?: string; file?: string; cause?: unknown } = {},
): ImageError {
  const facts = { next, ...(file === undefined ? {} : { file }) };
  return new ImageError("WL_IMAGE_CONTAINER_INVALID", message, facts, cause);
}

/** A name from an image as part of a message: quoted, and not longer than a line. */
export function quoted(text: string): string {
  const shown = JSON.stringify(text);
  return shown.length <= 200 ? shown : `${shown.slice(0, 200)}..."`;
}
