/**
 * Where things are in an empty ext4 file system of 4 KiB blocks. Pure.
 *
 * Sixteen block groups at a time are one flexible group: the bitmaps and inode tables of all of them are
 * in the first one (Documentation/filesystems/ext4/blockgroup.rst, "Flexible Block Groups").
 *
 * | group 0, block | what |
 * |---|---|
 * | 0 | 1024 bytes of boot sector, superblock |
 * | 1 | group descriptors |
 * | then | block bitmaps, inode bitmaps, inode tables of the first flexible group |
 * | then | root folder, lost+found, journal |
 */

export const BLOCK_BYTES = 4096;
export const INODE_BYTES = 256;
/** With the feature "64bit"; its checksums of bitmaps have 32 bits, not 16. */
export const DESCRIPTOR_BYTES = 64;
/** One block of bitmap. */
export const BLOCKS_PER_GROUP = BLOCK_BYTES * 8;
/** s_log_groups_per_flex: mke2fs's default. */
export const LOG_GROUPS_PER_FLEX = 4;
/** Inodes 1 to 10 are the file system's own (special_inodes.rst), 11 is lost+found. */
export const FIRST_INODES = 11;

const BLOCKS_PER_MIB = 256;
const GROUPS_PER_FLEX = 2 ** LOG_GROUPS_PER_FLEX;
/**
 * Small disks get an inode per 4 KiB, as mke2fs.conf has it; others one per 8 KiB, not 16: a folder of npm
 * packages has smaller files than that.
 */
const SMALL_MIB = 512;
const SMALL_BYTES_PER_INODE = 4096;
const BYTES_PER_INODE = 8192;
/** JBD2_MIN_JOURNAL_BLOCKS of linux/jbd2.h. */
const SMALL_JOURNAL_BLOCKS = 1024;
const SMALL_JOURNAL_BELOW_MIB = 128;
/** 16 MiB. The kernel writes the journal round and round: a longer one makes every overlay larger. */
const JOURNAL_BLOCKS = 4096;
/** A last group that has less room than this beside its tables is left out, as mke2fs does. */
const LEAST_FREE_BLOCKS = 50;

/** What a disk of ours can have: group 0 takes its tables, and block numbers have 32 bits. */
export const EXT4_MIN_MIB = 16;
export const EXT4_MAX_MIB = 1024 * 1024;

export interface Ext4Group {
  readonly firstBlock: number;
  readonly blockCount: number;
  readonly blockBitmap: number;
  readonly inodeBitmap: number;
  readonly inodeTable: number;
  /** Blocks from the group's first on that are taken. */
  readonly usedBlocks: number;
  /** The file system's last: its bitmap is always on the disk (e2fsck insists). */
  readonly isLast: boolean;
}

export interface Ext4Layout {
  readonly blockCount: number;
  readonly descriptorBlocks: number;
  readonly inodesPerGroup: number;
  readonly groups: readonly Ext4Group[];
  readonly rootBlock: number;
  readonly lostAndFoundBlock: number;
  readonly journalBlock: number;
  readonly journalBlocks: number;
}

/**
 * @param sizeMib a whole number from EXT4_MIN_MIB to EXT4_MAX_MIB
 * @throws {RangeError} for any other
 */
export function ext4Layout(sizeMib: number): Ext4Layout {
  if (!Number.isInteger(sizeMib) || sizeMib < EXT4_MIN_MIB || sizeMib > EXT4_MAX_MIB) {
    throw new RangeError(`${sizeMib} is no size from ${EXT4_MIN_MIB} to ${EXT4_MAX_MIB} MiB`);
  }
  const bytesPerInode = sizeMib < SMALL_MIB ? SMALL_BYTES_PER_INODE : BYTES_PER_INODE;
  const wanted = sizeMib * BLOCKS_PER_MIB;
  const inodesPerGroup = (Math.min(wanted, BLOCKS_PER_GROUP) * BLOCK_BYTES) / bytesPerInode;
  const tableBlocks = (inodesPerGroup * INODE_BYTES) / BLOCK_BYTES;
  const blockCount = usableBlocks(wanted, tableBlocks);
  const groupCount = Math.ceil(blockCount / BLOCKS_PER_GROUP);
  const descriptorBlocks = Math.ceil((groupCount * DESCRIPTOR_BYTES) / BLOCK_BYTES);
  const journalBlocks = sizeMib < SMALL_JOURNAL_BELOW_MIB ? SMALL_JOURNAL_BLOCKS : JOURNAL_BLOCKS;

  const rootBlock = tablesStart(0, descriptorBlocks) + tablesBlocks(0, groupCount, tableBlocks);
  const journalBlock = rootBlock + 2;
  const groups = Array.from({ length: groupCount }, (_, group): Ext4Group => {
    const first = group - (group % GROUPS_PER_FLEX);
    const start = tablesStart(first, descriptorBlocks);
    const count = Math.min(GROUPS_PER_FLEX, groupCount - first);
    const firstBlock = group * BLOCKS_PER_GROUP;
    const afterTables = start + tablesBlocks(first, groupCount, tableBlocks);
    const taken = group === 0 ? journalBlock + journalBlocks : afterTables;
    return {
      firstBlock,
      blockCount: Math.min(BLOCKS_PER_GROUP, blockCount - firstBlock),
      blockBitmap: start + (group - first),
      inodeBitmap: start + count + (group - first),
      inodeTable: start + 2 * count + (group - first) * tableBlocks,
      usedBlocks: group === first ? taken - firstBlock : 0,
      isLast: group === groupCount - 1,
    };
  });
  return {
    ...{ blockCount, descriptorBlocks, inodesPerGroup, groups },
    ...{ rootBlock, lostAndFoundBlock: rootBlock + 1, journalBlock, journalBlocks },
  };
}

/** First block of the tables of the flexible group that begins with this group. */
function tablesStart(firstGroup: number, descriptorBlocks: number): number {
  return firstGroup === 0 ? 1 + descriptorBlocks : firstGroup * BLOCKS_PER_GROUP;
}

function tablesBlocks(firstGroup: number, groupCount: number, tableBlocks: number): number {
  return Math.min(GROUPS_PER_FLEX, groupCount - firstGroup) * (2 + tableBlocks);
}

/** A last group that is alone in its flexible group has to hold its own tables. */
function usableBlocks(wanted: number, tableBlocks: number): number {
  const last = wanted % (BLOCKS_PER_GROUP * GROUPS_PER_FLEX);
  const isAlone = last > 0 && last < BLOCKS_PER_GROUP && last < wanted;
  return isAlone && last < 2 + tableBlocks + LEAST_FREE_BLOCKS ? wanted - last : wanted;
}
