/**
 * The erofs on-disk format, as far as Windlass writes and reads it. Numbers are little endian.
 * Source: Linux fs/erofs/erofs_fs.h and Documentation/filesystems/erofs.rst (6.1).
 *
 * ```
 * block 0                super block at byte 1024, LZ4 configuration behind it
 * block 1 ...            file data, then directory data
 * block metaBlock ...    inodes in slots of 32 bytes, each with what belongs to it
 * ```
 *
 * An inode's number ("nid") is its slot, counted from the start of `metaBlock`.
 */
import { crc32c } from "./crc32c.ts";

/** The only block size written here; every x86 Linux kernel reads it. */
export const BLOCK_BYTES = 4096;
/** Inodes lie on multiples of this. */
export const SLOT_BYTES = 32;
export const SUPER_OFFSET = 1024;
export const SUPER_MAGIC = 0xe0f5e1e2;
export const SUPER_BYTES = 128;
/** Longest name of a directory entry (EROFS_NAME_LEN). */
export const MAX_NAME_BYTES = 255;
/** Largest compressed extent that the format allows (Z_EROFS_PCLUSTER_MAX_SIZE). */
export const MAX_CLUSTER_BYTES = 1024 * 1024;

export const COMPAT_CHECKSUM = 0x1;
/** Compressed extents are right-aligned in their blocks, zeros before them. */
export const INCOMPAT_ZERO_PADDING = 0x1;
/** Compression configuration after the super block, compressed extents of several blocks. */
export const INCOMPAT_BIG_CLUSTER = 0x2;

export const COMPACT_INODE_BYTES = 32;
export const EXTENDED_INODE_BYTES = 64;

/** Data layouts (i_format, bits 1-3). */
export const LAYOUT_PLAIN = 0;
export const LAYOUT_COMPRESSED_FULL = 1;
export const LAYOUT_INLINE = 2;
export const LAYOUT_COMPRESSED_COMPACT = 3;

/** File types in directory entries. */
export const DIRENT_FILE = 1;
export const DIRENT_DIRECTORY = 2;
export const DIRENT_SYMLINK = 7;
export const DIRENT_BYTES = 12;

/** File types in inodes (st_mode, S_IFMT and its values). */
export const MODE_TYPE_MASK = 0o170000;
export const MODE_FILE = 0o100000;
export const MODE_DIRECTORY = 0o040000;
export const MODE_SYMLINK = 0o120000;

export interface SuperBlock {
  readonly blocks: number;
  readonly inodeCount: number;
  readonly metaBlock: number;
  /** Must fit 16 bits. */
  readonly rootNid: number;
  /** At most 16 bytes of UTF-8. */
  readonly label: string;
  /** Blocks of the largest compressed extent; 0 when nothing is compressed. */
  readonly maxClusterBlocks: number;
}

/**
 * Block 0. Times and UUID are zero: an image is identified by its digest, and the same tree must give
 * the same bytes.
 *
 * | offset | length | meaning                          |
 * |--------|--------|----------------------------------|
 * | 0      | 4      | magic                            |
 * | 4      | 4      | CRC-32C of this block from 1024  |
 * | 8      | 4      | compatible features              |
 * | 12     | 1      | log2 of the block size           |
 * | 14     | 2      | root nid                         |
 * | 16     | 8      | inodes                           |
 * | 36     | 4      | blocks                           |
 * | 40     | 4      | first metadata block             |
 * | 64     | 16     | label                            |
 * | 80     | 4      | incompatible features            |
 * | 84     | 2      | compression algorithms, bit 0 LZ4|
 * | 128    | 2      | length of the LZ4 configuration  |
 * | 130    | 2      | LZ4: farthest match              |
 * | 132    | 2      | LZ4: blocks of the largest extent|
 */
export function encodeSuperBlock(fields: SuperBlock): Uint8Array {
  const block = new Uint8Array(BLOCK_BYTES);
  const area = block.subarray(SUPER_OFFSET);
  const view = new DataView(area.buffer, area.byteOffset);
  view.setUint32(0, SUPER_MAGIC, true);
  view.setUint32(8, COMPAT_CHECKSUM, true);
  view.setUint8(12, Math.log2(BLOCK_BYTES));
  view.setUint16(14, fields.rootNid, true);
  view.setBigUint64(16, BigInt(fields.inodeCount), true);
  view.setUint32(36, fields.blocks, true);
  view.setUint32(40, fields.metaBlock, true);
  area.set(Buffer.from(fields.label), 64);
  if (fields.maxClusterBlocks > 0) {
    view.setUint32(80, INCOMPAT_ZERO_PADDING | INCOMPAT_BIG_CLUSTER, true);
    view.setUint16(84, 1, true);
    view.setUint16(SUPER_BYTES, 14, true);
    view.setUint16(SUPER_BYTES + 2, 65_535, true);
    view.setUint16(SUPER_BYTES + 4, fields.maxClusterBlocks, true);
  }
  view.setUint32(4, crc32c(0xffffffff, area), true);
  return block;
}

export interface InodeExtent {
  readonly linkCount: number;
  readonly sizeBytes: number;
  readonly uid: number;
  readonly gid: number;
  /** Since 1970. */
  readonly modifiedSeconds: number;
}

export interface InodeFields extends InodeExtent {
  readonly layout: number;
  /** Type and permission bits. */
  readonly mode: number;
  /** First data block, or for a compressed file the count of its blocks. */
  readonly blockField: number;
  /** For the 32-bit stat call only; counts from 1. */
  readonly serial: number;
}

/** 32 bytes when everything fits the compact form, otherwise 64. */
export function inodeBytes(extent: InodeExtent): number {
  const { sizeBytes, linkCount, uid, gid, modifiedSeconds } = extent;
  const isOwnerShort = uid <= 0xffff && gid <= 0xffff;
  const compact =
    sizeBytes <= 0xffffffff && linkCount <= 0xffff && isOwnerShort && modifiedSeconds === 0;
  return compact ? COMPACT_INODE_BYTES : EXTENDED_INODE_BYTES;
}

/**
 * Writes an inode.
 *
 * | compact | extended | length | meaning                            |
 * |---------|----------|--------|------------------------------------|
 * | 0       | 0        | 2      | bit 0 extended, bits 1-3 layout    |
 * | 4       | 4        | 2      | mode                               |
 * | 6       | 44       | 2 / 4  | links                              |
 * | 8       | 8        | 4 / 8  | size                               |
 * | 16      | 16       | 4      | first block, or compressed blocks  |
 * | 20      | 20       | 4      | serial                             |
 * | 24      | 24       | 2 / 4  | user id                            |
 * | 26      | 28       | 2 / 4  | group id                           |
 * | -       | 32       | 8      | time of change, seconds since 1970 |
 */
export function encodeInode(target: Uint8Array, at: number, fields: InodeFields): void {
  const view = new DataView(target.buffer, target.byteOffset + at);
  const extended = inodeBytes(fields) === EXTENDED_INODE_BYTES;
  view.setUint16(0, (extended ? 1 : 0) | (fields.layout << 1), true);
  view.setUint16(4, fields.mode, true);
  view.setUint32(16, fields.blockField, true);
  view.setUint32(20, fields.serial, true);
  if (extended) {
    view.setBigUint64(8, BigInt(fields.sizeBytes), true);
    view.setUint32(24, fields.uid, true);
    view.setUint32(28, fields.gid, true);
    view.setBigUint64(32, BigInt(fields.modifiedSeconds), true);
    view.setUint32(44, fields.linkCount, true);
  } else {
    view.setUint16(6, fields.linkCount, true);
    view.setUint32(8, fields.sizeBytes, true);
    view.setUint16(24, fields.uid, true);
    view.setUint16(26, fields.gid, true);
  }
}
