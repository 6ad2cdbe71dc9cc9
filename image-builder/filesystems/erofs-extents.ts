/**
 * The index of a compressed file, reading side: the full form that Windlass writes (described in
 * `erofs-extent-index.ts`) and the compact form, mkfs.erofs's default. Source: Linux fs/erofs/zmap.c.
 *
 * Compact form: packs of entries. A pack is a row of bit fields, each with 12 bits of value and 2 bits
 * of type, least significant bit first, and 4 bytes with the block that the pack's first extent
 * begins at (without big clusters: one less). Packs of two entries (8 bytes) lead up to a 32-byte
 * boundary, packs of sixteen (32 bytes) follow if the header says so, packs of two end the index.
 */
import {
  ADVISE_BIG_CLUSTER,
  BLOCK_COUNT_FLAG,
  INDEX_ENTRY_BYTES,
  INDEX_HEADER_BYTES,
  TYPE_HEAD,
  TYPE_INSIDE,
  TYPE_PLAIN,
} from "./erofs-extent-index.ts";
import { BLOCK_BYTES, LAYOUT_COMPRESSED_FULL, MAX_CLUSTER_BYTES } from "./erofs-format.ts";
import { type ErofsInode, type ErofsVolume, refused } from "./erofs-inode.ts";
import { damaged, type ImageBytes } from "./image-bytes.ts";

/** Content from `start` up to the next extent. */
export interface Extent {
  readonly startBytes: number;
  readonly endBytes: number;
  readonly firstBlock: number;
  readonly blocks: number;
  readonly compressed: boolean;
}

/** Z_EROFS_PCLUSTER_MAX_DSIZE: the most content of one extent. */
const MAX_EXTENT_BYTES = 12 * 1024 * 1024;
/** Z_EROFS_ADVISE_COMPACTED_2B: packs of sixteen are used. */
const ADVISE_PACKS_OF_SIXTEEN = 0x1;
/** Z_EROFS_ADVISE_BIG_PCLUSTER_2. */
const ADVISE_BIG_CLUSTER_2 = 0x4;
const KNOWN_ADVICE = ADVISE_PACKS_OF_SIXTEEN | ADVISE_BIG_CLUSTER | ADVISE_BIG_CLUSTER_2;
const COMPACT_HEADER_BYTES = 8;

/** One logical cluster of an index. */
interface Entry {
  readonly type: number;
  /** Head, plain: offset of the extent in the logical cluster. */
  readonly offset: number;
  /** Head, plain: first block. */
  readonly block: number;
  /** Inside: blocks of the extent when this entry tells them. */
  readonly blocks: number | undefined;
}

/** @throws {ImageError} WL_IMAGE_STORE when the index is damaged or needs what is not supported */
export async function* readExtents(
  { image }: ErofsVolume,
  inode: ErofsInode,
): AsyncGenerator<Extent> {
  const { sizeBytes, nid } = inode;
  const headerAt = Math.ceil(inode.endOffset / 8) * 8;
  const header = await image.read(headerAt, COMPACT_HEADER_BYTES);
  const advice = header.readUInt16LE(4);
  if ((advice & ~KNOWN_ADVICE) !== 0 || header.readUInt8(6) !== 0 || header.readUInt8(7) !== 0) {
    throw refused(image, `compresses inode ${nid} in a way that is not supported`);
  }
  const count = Math.ceil(sizeBytes / BLOCK_BYTES);
  const entries =
    inode.layout === LAYOUT_COMPRESSED_FULL
      ? fullEntries(image, headerAt, count)
      : compactEntries(image, headerAt, count, advice);

  let open: { startBytes: number; block: number; blocks: number; compressed: boolean } | undefined;
  const close = (endBytes: number): Extent => {
    if (!open) throw damaged(image.name, `inode ${nid} does not begin with an extent`);
    const { startBytes, block: firstBlock, blocks, compressed } = open;
    const length = endBytes - startBytes;
    if (length < 1 || length > (compressed ? MAX_EXTENT_BYTES : BLOCK_BYTES)) {
      throw damaged(image.name, `inode ${nid} has an extent of ${length} bytes`);
    }
    return { startBytes, endBytes, firstBlock, blocks, compressed };
  };
  let cluster = 0;
  for await (const entry of entries) {
    if (entry.type === TYPE_INSIDE) {
      if (open && entry.blocks !== undefined && open.compressed) open.blocks = entry.blocks;
      if (entry.blocks === 0 || (entry.blocks ?? 1) * BLOCK_BYTES > MAX_CLUSTER_BYTES) {
        throw damaged(image.name, `inode ${nid} has an extent of ${entry.blocks} blocks`);
      }
    } else {
      const startBytes = cluster * BLOCK_BYTES + entry.offset;
      if (entry.offset >= BLOCK_BYTES || startBytes > sizeBytes || (!open && startBytes > 0)) {
        throw damaged(image.name, `inode ${nid} has an extent at byte ${startBytes}`);
      }
      if (open) yield close(startBytes);
      // A plain head at the very end only closes the extent before it.
      if (startBytes === sizeBytes) return;
      open = { startBytes, block: entry.block, blocks: 1, compressed: entry.type !== TYPE_PLAIN };
    }
    cluster += 1;
  }
  if (sizeBytes > 0) yield close(sizeBytes);
}

async function* fullEntries(
  image: ImageBytes,
  headerAt: number,
  count: number,
): AsyncGenerator<Entry> {
  const piece = 4096;
  for (let first = 0; first < count; first += piece) {
    const size = Math.min(piece, count - first);
    const at = headerAt + INDEX_HEADER_BYTES + first * INDEX_ENTRY_BYTES;
    const bytes = await image.read(at, size * INDEX_ENTRY_BYTES);
    for (let entryAt = 0; entryAt < bytes.length; entryAt += INDEX_ENTRY_BYTES) {
      const type = bytes.readUInt16LE(entryAt) & 3;
      const back = bytes.readUInt16LE(entryAt + 4);
      yield {
        type: checkedType(image, type),
        offset: bytes.readUInt16LE(entryAt + 2),
        block: bytes.readUInt32LE(entryAt + 4),
        blocks: back & BLOCK_COUNT_FLAG ? back & ~BLOCK_COUNT_FLAG : undefined,
      };
    }
  }
}

async function* compactEntries(
  image: ImageBytes,
  headerAt: number,
  count: number,
  advice: number,
): AsyncGenerator<Entry> {
  const bigClusters = (advice & ADVISE_BIG_CLUSTER) !== 0;
  let at = headerAt + COMPACT_HEADER_BYTES;
  let left = count;
  const leading = ((32 - (at % 32)) % 32) / 4;
  let sixteens = 0;
  if ((advice & ADVISE_PACKS_OF_SIXTEEN) !== 0 && leading < count) {
    sixteens = Math.floor((count - leading) / 16);
  }
  while (left > 0) {
    const done = count - left;
    const packSize = done >= leading && sixteens > 0 ? 16 : 2;
    if (packSize === 16) sixteens -= 1;
    const packBytes = packSize === 16 ? 32 : 8;
    const pack = await image.read(at, packBytes);
    yield* packEntries(image, pack, Math.min(packSize, left), packSize, bigClusters);
    at += packBytes;
    left -= Math.min(packSize, left);
  }
}

function* packEntries(
  image: ImageBytes,
  pack: Buffer,
  count: number,
  packSize: number,
  bigClusters: boolean,
): Generator<Entry> {
  const fieldBits = ((pack.length - 4) * 8) / packSize;
  let block = pack.readUInt32LE(pack.length - 4) + (bigClusters ? 0 : 1);
  let afterHead = false;
  for (let index = 0; index < count; index += 1) {
    const bit = index * fieldBits;
    // A field has up to 16 bits and begins anywhere in a byte; the pack's last 4 bytes follow it.
    const field = pack.readUInt32LE(bit >> 3) >>> (bit & 7);
    const value = field & 0xfff;
    const type = checkedType(image, (field >>> 12) & 3);
    if (type === TYPE_INSIDE) {
      const blocks = value & BLOCK_COUNT_FLAG ? value & ~BLOCK_COUNT_FLAG : undefined;
      yield { type, offset: 0, block: 0, blocks };
      // The head before it counted one block already, if it lies in this pack.
      if (blocks !== undefined) block += blocks - (afterHead ? 1 : 0);
      afterHead = false;
    } else {
      yield { type, offset: value, block, blocks: undefined };
      block += 1;
      afterHead = true;
    }
  }
}

function checkedType(image: ImageBytes, type: number): number {
  if (type === TYPE_PLAIN || type === TYPE_HEAD || type === TYPE_INSIDE) return type;
  throw refused(image, "uses a second compression algorithm");
}
