/** Errors of the model: a caller's mistake, told apart by its code. */

export type AllocatorErrorCode =
  /** Not an address that the layout can have, or not one of the kind that is asked for. */
  | "WL_ALLOC_ADDRESS"
  /** A number outside of its range. */
  | "WL_ALLOC_RANGE";

export class AllocatorError extends Error {
  override readonly name = "AllocatorError";
  readonly code: AllocatorErrorCode;

  /** @param message what is wrong and why: capital letter, quoted values, no full stop */
  constructor(code: AllocatorErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
