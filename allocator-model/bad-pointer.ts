/** Pointers that are none to an object, as errors that say what is there instead. */
import { hex } from "./address.ts";
import { AllocatorError, type AllocatorErrorCode } from "./allocator-error.ts";
import type { PageOwner } from "./page-owners.ts";

/**
 * - area: no allocator's area, or no address at all.
 * - range: behind the end of what is there.
 * - interior: inside of an object, or where none of its region can begin.
 * - corrupt-header: the record that free would follow was overwritten.
 */
export type BadPointerKind =
  | "area"
  | "range"
  | "interior"
  | "corrupt-header"
  | "double-free"
  | "use-after-free"
  | "wrong-region"
  | "overrun";

/** Sizes are bytes. */
export interface BadPointer {
  readonly kind: BadPointerKind;
  /** What was passed. */
  readonly address: bigint;
  /** What uses the physical page it is in. */
  readonly owner?: PageOwner | undefined;
  /** The page's number. */
  readonly page?: number | undefined;
  /** Of the object that is there or nearest, as its allocator handed it out. */
  readonly begin?: bigint | undefined;
  readonly size?: number | undefined;
}

const codes = {
  area: "WL_ALLOC_POINTER",
  range: "WL_ALLOC_POINTER",
  interior: "WL_ALLOC_POINTER",
  "corrupt-header": "WL_ALLOC_POINTER",
  "double-free": "WL_ALLOC_DOUBLE_FREE",
  "use-after-free": "WL_ALLOC_USE_AFTER_FREE",
  "wrong-region": "WL_ALLOC_WRONG_REGION",
  overrun: "WL_ALLOC_OVERRUN",
} as const satisfies Record<BadPointerKind, AllocatorErrorCode>;

/**
 * @param what that is there, and is wrong: a clause behind the address
 * @param next what the caller can do, one sentence without a full stop
 */
export function badPointer(pointer: BadPointer, what: string, next: string): AllocatorError {
  const { kind, address, owner, page } = pointer;
  const place = page === undefined ? "" : ` (physical page ${hex(BigInt(page))}, ${owner})`;
  const text = `Bad pointer "${hex(address)}"${place}: ${what}`;
  return new AllocatorError(codes[kind], text, { next, pointer });
}
