/**
 * The index of a compressed file: which extent holds a byte. One entry per 4096 bytes of content
 * ("logical cluster"), in the full, 8-byte form. Source: Linux fs/erofs/erofs_fs.h
 * (struct z_erofs_map_header, z_erofs_lcluster_index) and zmap.c.
 *
 * | offset | length | meaning                                                           |
 * |--------|--------|-------------------------------------------------------------------|
 * | 0      | 2      | 0 plain, 1 head of a compressed extent, 2 inside of an extent     |
 * | 2      | 2      | where in the logical cluster the extent begins                    |
 * | 4      | 4      | plain, head: first block of the extent                            |
 * | 4      | 2      | inside: entries back to the head; the first one holds the extent's|
 * |        |        | count of blocks instead, marked by bit 11                         |
 * | 6      | 2      | inside: entries on to the next head                               |
 *
 * The header before the entries: 6 bytes of zeros and advice (u16 at 4), then the algorithms (0: LZ4)
 * and log2 of the logical cluster above 12 (0), 8 reserved bytes.
 */
import { BLOCK_BYTES } from "./erofs-format.ts";

export const TYPE_PLAIN = 0;
export const TYPE_HEAD = 1;
export const TYPE_INSIDE = 2;
/** Marks an inside entry that holds the blocks of its extent (Z_EROFS_LI_D0_CBLKCNT). */
export const BLOCK_COUNT_FLAG = 1 << 11;
/** Extents of the first algorithm may have several blocks (Z_EROFS_ADVISE_BIG_PCLUSTER_1). */
export const ADVISE_BIG_CLUSTER = 0x2;

export const INDEX_HEADER_BYTES = 16;
export const INDEX_ENTRY_BYTES = 8;

/** Header and entries together. */
export function extentIndexBytes(sizeBytes: number): number {
  return INDEX_HEADER_BYTES + Math.ceil(sizeBytes / BLOCK_BYTES) * INDEX_ENTRY_BYTES;
}

/**
 * Writes header and entries.
 *
 * @param extents pairs of input bytes and blocks (0: plain, one block), see `segment-packer.ts`; they
 *   cover the file and lie in consecutive blocks. Every extent but the last ends in a later logical
 *   cluster than it begins, or on a boundary.
 */
export function encodeExtentIndex(
  target: Uint8Array,
  at: number,
  extents: Iterable<Uint32Array>,
  firstBlock: number,
  sizeBytes: number,
): void {
  const view = new DataView(target.buffer, target.byteOffset + at);
  view.setUint16(4, ADVISE_BIG_CLUSTER, true);
  const entryAt = (cluster: number): number => INDEX_HEADER_BYTES + cluster * INDEX_ENTRY_BYTES;
  const lastCluster = Math.ceil(sizeBytes / BLOCK_BYTES) - 1;
  let position = 0;
  let block = firstBlock;
  let lastHead = 0;

  for (const pairs of extents) {
    for (let pair = 0; pair < pairs.length; pair += 2) {
      const inputBytes = pairs[pair] as number;
      const blocks = pairs[pair + 1] as number;
      const head = Math.floor(position / BLOCK_BYTES);
      const offset = position % BLOCK_BYTES;
      const span = Math.floor((position + inputBytes) / BLOCK_BYTES) - head;
      view.setUint16(entryAt(head), blocks > 0 ? TYPE_HEAD : TYPE_PLAIN, true);
      view.setUint16(entryAt(head) + 2, offset, true);
      view.setUint32(entryAt(head) + 4, block, true);
      for (let distance = 1; distance < span; distance += 1) {
        const entry = entryAt(head + distance);
        const back = distance === 1 ? BLOCK_COUNT_FLAG | Math.max(1, blocks) : distance;
        view.setUint16(entry, TYPE_INSIDE, true);
        view.setUint16(entry + 2, offset, true);
        view.setUint16(entry + 4, back, true);
        view.setUint16(entry + 6, span - distance, true);
      }
      lastHead = head;
      position += inputBytes;
      block += Math.max(1, blocks);
    }
  }
  // An extent that ends inside the last logical cluster is closed by a plain head without a block.
  if (sizeBytes % BLOCK_BYTES !== 0 && lastHead !== lastCluster) {
    view.setUint16(entryAt(lastCluster), TYPE_PLAIN, true);
    view.setUint16(entryAt(lastCluster) + 2, sizeBytes % BLOCK_BYTES, true);
  }
}
