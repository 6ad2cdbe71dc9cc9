/**
 * The model's physical memory. Headers and free lists of the allocators are in it, where the C++ code has
 * them; what the C++ code keeps elsewhere is in tables beside it. All of it is shared memory: simulated CPUs
 * may be threads.
 */

import { PAGE_BYTES } from "./address-layout.ts";
import { AllocatorError } from "./allocator-error.ts";

export const WORD_BYTES = 4;
export const WORDS_PER_PAGE = PAGE_BYTES / WORD_BYTES;
/** Views have indexes of 32 bits where it counts: 16 GiB of words. */
const PAGES_MAX = 2 ** 22;

export class PhysicalMemory {
  readonly pageCount: number;
  readonly bytes: Uint8Array;
  /** The same memory; little-endian, as the machine that it models. */
  readonly words: Uint32Array;

  /** @throws {AllocatorError} WL_ALLOC_RANGE for less than a page or more than 16 GiB */
  constructor(pageCount: number) {
    if (!Number.isInteger(pageCount) || pageCount < 1 || pageCount > PAGES_MAX) {
      throw new AllocatorError(
        "WL_ALLOC_RANGE",
        `Physical memory has 1 to ${PAGES_MAX} pages, not ${pageCount}`,
      );
    }
    this.pageCount = pageCount;
    const buffer = new SharedArrayBuffer(pageCount * PAGE_BYTES);
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
  }
}
