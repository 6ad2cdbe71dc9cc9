/** Errors of the model: a caller's mistake, told apart by its code. */
import type { BadPointer } from "./bad-pointer.ts";

export type AllocatorErrorCode =
  /** Not an address that the layout can have, or not one of the kind that is asked for. */
  | "WL_ALLOC_ADDRESS"
  /** A number outside of its range. */
  | "WL_ALLOC_RANGE"
  /** A trace that cannot be read, or that no program can have made. */
  | "WL_ALLOC_TRACE"
  /** A pointer that is none to an object; bad-pointer.ts tells these and the next four apart. */
  | "WL_ALLOC_POINTER"
  /** No object is there any more. */
  | "WL_ALLOC_DOUBLE_FREE"
  | "WL_ALLOC_USE_AFTER_FREE"
  /** An object, but seen through the area of another region. */
  | "WL_ALLOC_WRONG_REGION"
  /** Bytes behind an object, or before it, were used. */
  | "WL_ALLOC_OVERRUN";

export interface AllocatorErrorFacts {
  /** What the operator can do next, as one sentence without a full stop. */
  readonly next?: string;
  /** What is wrong with a pointer, and what is there. */
  readonly pointer?: BadPointer;
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
