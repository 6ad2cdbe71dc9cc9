/**
 * The on-disk structures of an empty ext4 file system, with their checksums. Pure. Names and offsets are
 * those of fs/ext4/ext4.h and Documentation/filesystems/ext4; the journal's are of linux/jbd2.h.
 */
import { crc32c } from "./crc32c.ts";
import {
  BLOCK_BYTES,
  BLOCKS_PER_GROUP,
  DESCRIPTOR_BYTES,
  type Ext4Group,
  type Ext4Layout,
  FIRST_INODES,
  INODE_BYTES,
  LOG_GROUPS_PER_FLEX,
} from "./ext4-layout.ts";

export const ROOT_INODE = 2;
export const JOURNAL_INODE = 8;
export const LOST_AND_FOUND_INODE = FIRST_INODES;

/** Where the superblock is in block 0. */
export const SUPERBLOCK_OFFSET = 1024;
const SUPERBLOCK_BYTES = 1024;

/**
 * has_journal, ext_attr, dir_index, sparse_super2. The last one without backup groups: copies of the
 * superblock serve repair tools, and nobody repairs a scratch disk.
 */
const COMPATIBLE = 0x4 | 0x8 | 0x20 | 0x200;
/** filetype, extents, 64bit, flex_bg. */
const INCOMPATIBLE = 0x2 | 0x40 | 0x80 | 0x200;
/** large_file, huge_file, dir_nlink, extra_isize, metadata_csum. */
const READ_ONLY_COMPATIBLE = 0x2 | 0x8 | 0x20 | 0x40 | 0x400;

/** bg_flags. What was never written is zero, so inode tables count as zeroed: no thread clears them. */
const INODES_UNINITIALIZED = 1;
const BLOCKS_UNINITIALIZED = 2;
const INODE_TABLE_ZEROED = 4;

/** i_extra_isize: what of an inode of 256 bytes lies beyond the classic 128. */
const EXTRA_INODE_BYTES = 32;
const EXTENTS_FLAG = 0x80000;
const FILE_TYPE_FOLDER = 2;
const FOLDER_TAIL_BYTES = 12;

export interface Ext4Identity {
  /** 16 bytes; every checksum begins with it. */
  readonly uuid: Uint8Array;
  /** 16 bytes that file names are hashed with. */
  readonly hashSeed: Uint8Array;
}

export function checksumSeed({ uuid }: Ext4Identity): number {
  return crc32c(0xffff_ffff, uuid);
}

export function superblock(
  layout: Ext4Layout,
  identity: Ext4Identity,
  journalInode: Buffer,
): Buffer {
  const block = Buffer.alloc(SUPERBLOCK_BYTES);
  const u16 = (offset: number, value: number): number => block.writeUInt16LE(value, offset);
  const u32 = (offset: number, value: number): number => block.writeUInt32LE(value, offset);
  const inodeCount = layout.inodesPerGroup * layout.groups.length;
  const usedBlocks = layout.groups.reduce((sum, group) => sum + group.usedBlocks, 0);
  u32(0x00, inodeCount);
  u32(0x04, layout.blockCount);
  u32(0x0c, layout.blockCount - usedBlocks);
  u32(0x10, inodeCount - FIRST_INODES);
  u32(0x18, Math.log2(BLOCK_BYTES) - 10); // s_log_block_size
  u32(0x1c, Math.log2(BLOCK_BYTES) - 10); // s_log_cluster_size
  u32(0x20, BLOCKS_PER_GROUP);
  u32(0x24, BLOCKS_PER_GROUP); // s_clusters_per_group
  u32(0x28, layout.inodesPerGroup);
  u16(0x36, 0xffff); // s_max_mnt_count: no check by count
  u16(0x38, 0xef53); // s_magic
  u16(0x3a, 1); // s_state: clean
  u16(0x3c, 2); // s_errors: read-only from then on, so that damage does not spread
  u32(0x4c, 1); // s_rev_level
  u32(0x54, FIRST_INODES); // s_first_ino
  u16(0x58, INODE_BYTES);
  u32(0x5c, COMPATIBLE);
  u32(0x60, INCOMPATIBLE);
  u32(0x64, READ_ONLY_COMPATIBLE);
  block.set(identity.uuid, 0x68);
  block.write("windlass-scratch", 0x78, 16, "latin1"); // s_volume_name
  u32(0xe0, JOURNAL_INODE);
  block.set(identity.hashSeed, 0xec);
  block[0xfc] = 1; // s_def_hash_version: half MD4
  block[0xfd] = 1; // s_jnl_backup_type: what follows at 0x10c
  u16(0xfe, DESCRIPTOR_BYTES);
  u32(0x100, 0x4 | 0x8); // s_default_mount_opts: user extended attributes, ACLs
  journalInode.copy(block, 0x10c, 0x28, 0x28 + 60); // s_jnl_blocks: i_block,
  journalInode.copy(block, 0x10c + 60, 0x6c, 0x70); // i_size_high,
  journalInode.copy(block, 0x10c + 64, 0x04, 0x08); // i_size
  u16(0x15c, EXTRA_INODE_BYTES); // s_min_extra_isize
  u16(0x15e, EXTRA_INODE_BYTES); // s_want_extra_isize
  u32(0x160, 1); // s_flags: hashes of signed characters
  block[0x174] = LOG_GROUPS_PER_FLEX;
  block[0x175] = 1; // s_checksum_type: CRC-32C
  u32(0x3fc, crc32c(0xffff_ffff, block.subarray(0, 0x3fc)));
  return block;
}

/** The bitmap of a group's blocks; undefined where all are free, and the kernel makes it up itself. */
export function blockBitmap(group: Ext4Group): Buffer | undefined {
  if (group.usedBlocks === 0 && !group.isLast) return undefined;
  return bitmap([0, group.usedBlocks], [group.blockCount, BLOCKS_PER_GROUP]);
}

/** The bitmap of the first group's inodes; what lies beyond the last inode is set. */
export function firstInodeBitmap({ inodesPerGroup }: Ext4Layout): Buffer {
  return bitmap([0, FIRST_INODES], [inodesPerGroup, BLOCKS_PER_GROUP]);
}

/** A block with these half-open ranges of bits set. */
function bitmap(...ranges: readonly (readonly [number, number])[]): Buffer {
  const bits = Buffer.alloc(BLOCK_BYTES);
  for (const [from, to] of ranges) {
    const [firstWhole, endWhole] = [Math.ceil(from / 8), Math.floor(to / 8)];
    for (let bit = from; bit < Math.min(to, firstWhole * 8); bit += 1) setBit(bits, bit);
    if (firstWhole < endWhole) bits.fill(0xff, firstWhole, endWhole);
    for (let bit = Math.max(from, endWhole * 8); bit < to; bit += 1) setBit(bits, bit);
  }
  return bits;
}

function setBit(bits: Buffer, bit: number): void {
  bits[bit >> 3] = (bits[bit >> 3] ?? 0) | (1 << (bit & 7));
}

/** struct ext4_group_desc. */
export function groupDescriptor(layout: Ext4Layout, index: number, seed: number): Buffer {
  const group = layout.groups[index];
  if (!group) throw new RangeError(`there is no group ${index}`);
  const bytes = Buffer.alloc(DESCRIPTOR_BYTES);
  const split = (low: number, high: number, value: number): void => {
    bytes.writeUInt16LE(value & 0xffff, low);
    bytes.writeUInt16LE(value >>> 16, high);
  };
  const isFirst = index === 0;
  const usedInodes = isFirst ? FIRST_INODES : 0;
  const bits = blockBitmap(group);
  bytes.writeUInt32LE(group.blockBitmap, 0x00);
  bytes.writeUInt32LE(group.inodeBitmap, 0x04);
  bytes.writeUInt32LE(group.inodeTable, 0x08);
  split(0x0c, 0x2c, group.blockCount - group.usedBlocks);
  split(0x0e, 0x2e, layout.inodesPerGroup - usedInodes);
  split(0x10, 0x30, isFirst ? 2 : 0); // bg_used_dirs_count
  const uninitialized = (isFirst ? 0 : INODES_UNINITIALIZED) | (bits ? 0 : BLOCKS_UNINITIALIZED);
  bytes.writeUInt16LE(uninitialized | INODE_TABLE_ZEROED, 0x12);
  if (bits) split(0x18, 0x38, crc32c(seed, bits));
  if (isFirst) {
    const inodes = firstInodeBitmap(layout).subarray(0, layout.inodesPerGroup / 8);
    split(0x1a, 0x3a, crc32c(seed, inodes));
  }
  split(0x1c, 0x32, layout.inodesPerGroup - usedInodes); // bg_itable_unused
  bytes.writeUInt16LE(crc32c(crc32c(seed, u32Bytes(index)), bytes) & 0xffff, 0x1e);
  return bytes;
}

export interface Ext4Inode {
  readonly number: number;
  readonly mode: number;
  readonly links: number;
  /** Its content: these blocks, one after the other. */
  readonly firstBlock: number;
  readonly blockCount: number;
}

/** struct ext4_inode of root:root, times 0, with its content as one extent. */
export function inode(description: Ext4Inode, seed: number): Buffer {
  const { number, mode, links, firstBlock, blockCount } = description;
  const bytes = Buffer.alloc(INODE_BYTES);
  bytes.writeUInt16LE(mode, 0x00);
  bytes.writeUInt32LE(blockCount * BLOCK_BYTES, 0x04);
  bytes.writeUInt16LE(links, 0x1a);
  bytes.writeUInt32LE((blockCount * BLOCK_BYTES) / 512, 0x1c);
  bytes.writeUInt32LE(EXTENTS_FLAG, 0x20);
  // struct ext4_extent_header: magic, entries, entries that fit, depth; then the extent.
  for (const [index, value] of [0xf30a, 1, 4, 0].entries()) {
    bytes.writeUInt16LE(value, 0x28 + 2 * index);
  }
  bytes.writeUInt16LE(blockCount, 0x34 + 4); // ee_len
  bytes.writeUInt32LE(firstBlock, 0x34 + 8); // ee_start_lo
  bytes.writeUInt16LE(EXTRA_INODE_BYTES, 0x80);
  const checksum = crc32c(inodeSeed(number, seed), bytes);
  bytes.writeUInt16LE(checksum & 0xffff, 0x7c);
  bytes.writeUInt16LE(checksum >>> 16, 0x82);
  return bytes;
}

/** A folder's only block: entries to other folders, the last one reaching to the checksum. */
export function folderBlock(
  number: number,
  entries: Readonly<Record<string, number>>,
  seed: number,
): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  const tail = BLOCK_BYTES - FOLDER_TAIL_BYTES;
  const names = Object.entries(entries);
  let at = 0;
  for (const [index, [name, target]] of names.entries()) {
    const isLast = index === names.length - 1;
    const length = isLast ? tail - at : 8 + Math.ceil(name.length / 4) * 4;
    block.writeUInt32LE(target, at);
    block.writeUInt16LE(length, at + 4);
    block[at + 6] = name.length;
    block[at + 7] = FILE_TYPE_FOLDER;
    block.write(name, at + 8, "latin1");
    at += length;
  }
  // struct ext4_dir_entry_tail looks like an unused entry.
  block.writeUInt16LE(FOLDER_TAIL_BYTES, tail + 4);
  block[tail + 7] = 0xde;
  block.writeUInt32LE(crc32c(inodeSeed(number, seed), block.subarray(0, tail)), tail + 8);
  return block;
}

/** journal_superblock_t of an empty journal; big-endian. Its first use adds the checksums' feature. */
export function journalSuperblock(journalBlocks: number): Buffer {
  const block = Buffer.alloc(1024);
  block.writeUInt32BE(0xc03b3998, 0x00); // h_magic
  block.writeUInt32BE(4, 0x04); // h_blocktype: superblock, version 2
  block.writeUInt32BE(BLOCK_BYTES, 0x0c);
  block.writeUInt32BE(journalBlocks, 0x10); // s_maxlen
  block.writeUInt32BE(1, 0x14); // s_first
  block.writeUInt32BE(1, 0x18); // s_sequence
  block.writeUInt32BE(1, 0x40); // s_nr_users
  return block;
}

/** What the checksums of an inode and of its content begin with: its number and generation (0). */
function inodeSeed(number: number, seed: number): number {
  return crc32c(crc32c(seed, u32Bytes(number)), u32Bytes(0));
}

function u32Bytes(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
