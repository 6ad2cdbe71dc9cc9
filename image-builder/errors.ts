/** Errors an operator can act on while an image is built. The table in ARCHITECTURE.md lists them. */

export type ImageErrorCode =
  /** A manifest, package.json, lockfile or ignore file cannot be used. */
  | "WL_IMAGE_MANIFEST_INVALID"
  /** The project lacks something the image needs (entry, dependency, readable file). */
  | "WL_IMAGE_PROJECT_INVALID"
  /** An executable or library is not usable in the guest, or a library it needs is missing. */
  | "WL_IMAGE_BINARY_INVALID"
  /** A project's compiler or build tool refuses it; its words are in the message. */
  | "WL_IMAGE_COMPILE_FAILED"
  /** A container image, one of its documents or one of its layers cannot be used. */
  | "WL_IMAGE_CONTAINER_INVALID"
  /** No runtime satisfies the request. */
  | "WL_IMAGE_RUNTIME_UNAVAILABLE"
  /** No kernel is on this machine, or the named one cannot be used. */
  | "WL_IMAGE_KERNEL_UNAVAILABLE"
  /** The image store refuses: unknown image, image in use, damaged content. */
  | "WL_IMAGE_STORE"
  /** A registry cannot be reached, refuses, or says what cannot be; or a reference names none. */
  | "WL_IMAGE_REGISTRY"
  /** The host refused a file operation: disk full, read-only, no permission. */
  | "WL_IMAGE_IO";

export interface ImageErrorFacts {
  /** The file the error is about, if it is about one. */
  readonly file?: string;
  /** 1-based. */
  readonly line?: number;
  /** 1-based. */
  readonly column?: number;
  /** What the operator can do next, as one sentence without a full stop. */
  readonly next?: string;
}

export class ImageError extends Error {
  override readonly name = "ImageError";
  readonly code: ImageErrorCode;
  readonly facts: ImageErrorFacts;

  /** @param message what failed and why: capital letter, active voice, quoted values, no full stop */
  constructor(code: ImageErrorCode, message: string, facts: ImageErrorFacts = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.facts = facts;
  }
}
