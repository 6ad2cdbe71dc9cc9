/**
 * Where inodes go in the metadata area. What must not cross a block (an inode with its inline data) is
 * placed in the first open block with room; what is larger than a block gets blocks of its own, and
 * the rest of the last one is open to others. Same requests, same places.
 */
import { BLOCK_BYTES, SLOT_BYTES } from "./erofs-format.ts";

/** Blocks kept open for small requests; older ones are given up, fullest or not. */
const OPEN_BLOCKS = 32;

export interface SlotAllocator {
  /** Bytes of the metadata area so far, in whole blocks. */
  readonly sizeBytes: number;
  /** @returns the offset in the metadata area, a multiple of 32, never 0 */
  place(sizeBytes: number): number;
}

export function createSlotAllocator(): SlotAllocator {
  // Slot 0 stays empty: programs take inode number 0 for a deleted entry.
  const open: { at: number; left: number }[] = [{ at: SLOT_BYTES, left: BLOCK_BYTES - SLOT_BYTES }];
  let areaBytes = BLOCK_BYTES;
  return {
    get sizeBytes() {
      return areaBytes;
    },
    place(sizeBytes) {
      const needed = Math.ceil(sizeBytes / SLOT_BYTES) * SLOT_BYTES;
      let block = open.find(({ left }) => left >= needed);
      if (!block) {
        const fresh = Math.ceil(needed / BLOCK_BYTES) * BLOCK_BYTES;
        block = { at: areaBytes, left: fresh };
        areaBytes += fresh;
        open.push(block);
      }
      const at = block.at;
      block.at += needed;
      block.left -= needed;
      if (block.left === 0) open.splice(open.indexOf(block), 1);
      if (open.length > OPEN_BLOCKS) open.shift();
      return at;
    },
  };
}
