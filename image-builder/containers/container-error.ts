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
