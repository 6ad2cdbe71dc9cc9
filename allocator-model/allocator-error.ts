/** Errors of the model: a caller's mistake, told apart by its code. */

export type AllocatorErrorCode =
  /** Not an address that the layout can have, or not one of the kind that is asked for. */
  | "WL_ALLOC_ADDRESS"
  /** A number outside of its range. */
  | "WL_ALLOC_RANGE"
  /** A trace that cannot be read, or that no program can have made. */
  | "WL_ALLOC_TRACE";

export interface AllocatorErrorFacts {
  /** What the operator can do next, as one sentence without a full stop. */
  readonly next?: string;
}

export class AllocatorError extends Error {
  override readonly name = "AllocatorError";
  readonly code: AllocatorErrorCode;
  readonly facts: AllocatorErrorFacts;

  /** @param message what is wrong and why: capital letter, quoted values, no full stop */
  constructor(code: AllocatorErrorCode, message: string, facts: AllocatorErrorFacts = {}) {
    super(message);
    this.code = code;
    this.facts = facts;
  }
}
