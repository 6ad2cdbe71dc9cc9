/**
 * An empty ext4 file system: what a scratch disk begins with. Only the few blocks that are not zero are
 * made and written; the rest of the file is a hole. Same size, same bytes.
 *
 * It has a journal: a machine may be killed at any moment, nobody runs a repair tool in it, and what was
 * synced has to be there when it starts again.
 */
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { BLOCK_BYTES, type Ext4Layout, ext4Layout, INODE_BYTES } from "./ext4-layout.ts";
import {
  blockBitmap,
  checksumSeed,
  type Ext4Identity,
  firstInodeBitmap,
  folderBlock,
  groupDescriptor,
  inode,
  JOURNAL_INODE,
  journalSuperblock,
  LOST_AND_FOUND_INODE,
  ROOT_INODE,
  SUPERBLOCK_OFFSET,
  superblock,
} from "./ext4-structures.ts";

const FOLDER_MODE = 0o040755;
const LOST_AND_FOUND_MODE = 0o040700;
const JOURNAL_MODE = 0o100600;

/** Bytes at a place; everything between pieces is zero. */
export interface DiskPiece {
  readonly offsetBytes: number;
  readonly bytes: Uint8Array;
}

export interface DiskContent {
  readonly sizeBytes: number;
  readonly pieces: readonly DiskPiece[];
}

/**
 * Root folder and lost+found, owned by 0:0, times 0, UUID from the size.
 *
 * @param sizeMib EXT4_MIN_MIB to EXT4_MAX_MIB
 * @throws {RangeError} for any other size
 */
export function emptyExt4(sizeMib: number): DiskContent {
  const layout = ext4Layout(sizeMib);
  const identity = identityOf(sizeMib);
  const seed = checksumSeed(identity);
  const pieces: DiskPiece[] = [];
  const put = (block: number, bytes: Uint8Array, offset = 0): void =>
    void pieces.push({ offsetBytes: block * BLOCK_BYTES + offset, bytes });

  const { inodeBlock, journal } = firstInodes(layout, seed);
  put(0, superblock(layout, identity, journal), SUPERBLOCK_OFFSET);
  put(1, Buffer.concat(layout.groups.map((_, index) => groupDescriptor(layout, index, seed))));
  for (const group of layout.groups) {
    const bits = blockBitmap(group);
    if (bits) put(group.blockBitmap, bits);
  }
  const [first] = layout.groups;
  if (!first) throw new RangeError("a file system has a group");
  put(first.inodeBitmap, firstInodeBitmap(layout));
  put(first.inodeTable, inodeBlock);
  const root = { ".": ROOT_INODE, "..": ROOT_INODE, "lost+found": LOST_AND_FOUND_INODE };
  put(layout.rootBlock, folderBlock(ROOT_INODE, root, seed));
  const lostAndFound = { ".": LOST_AND_FOUND_INODE, "..": ROOT_INODE };
  put(layout.lostAndFoundBlock, folderBlock(LOST_AND_FOUND_INODE, lostAndFound, seed));
  put(layout.journalBlock, journalSuperblock(layout.journalBlocks));
  return { sizeBytes: sizeMib * 1024 * 1024, pieces };
}

/** SHA-256 in hex of what the disk holds, without reading its zeros. */
export function contentDigest({ sizeBytes, pieces }: DiskContent): string {
  const hash = createHash("sha256").update(`${sizeBytes}\n`);
  for (const { offsetBytes, bytes } of pieces) {
    hash.update(`${offsetBytes} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest("hex");
}

/** Writes a disk as a new sparse file, and waits until it is on the host's disk. */
export async function writeDisk(path: string, content: DiskContent, mode: number): Promise<void> {
  await using file = await open(path, "wx", mode);
  for (const { offsetBytes, bytes } of content.pieces) {
    for (let at = 0; at < bytes.length; ) {
      const rest = bytes.length - at;
      at += (await file.write(bytes, at, rest, offsetBytes + at)).bytesWritten;
    }
  }
  await file.truncate(content.sizeBytes);
  await file.sync();
}

/** The block that holds inodes 1 to 16; those that are not in use are zero. */
function firstInodes(layout: Ext4Layout, seed: number): { inodeBlock: Buffer; journal: Buffer } {
  const { rootBlock, lostAndFoundBlock, journalBlock, journalBlocks } = layout;
  const folder = { blockCount: 1 };
  const root = inode(
    { ...folder, number: ROOT_INODE, mode: FOLDER_MODE, links: 3, firstBlock: rootBlock },
    seed,
  );
  const lostAndFound = inode(
    {
      ...folder,
      number: LOST_AND_FOUND_INODE,
      mode: LOST_AND_FOUND_MODE,
      links: 2,
      firstBlock: lostAndFoundBlock,
    },
    seed,
  );
  const journal = inode(
    {
      number: JOURNAL_INODE,
      mode: JOURNAL_MODE,
      links: 1,
      firstBlock: journalBlock,
      blockCount: journalBlocks,
    },
    seed,
  );
  const inodeBlock = Buffer.alloc(BLOCK_BYTES);
  inodeBlock.set(root, (ROOT_INODE - 1) * INODE_BYTES);
  inodeBlock.set(journal, (JOURNAL_INODE - 1) * INODE_BYTES);
  inodeBlock.set(lostAndFound, (LOST_AND_FOUND_INODE - 1) * INODE_BYTES);
  return { inodeBlock, journal };
}

/** A UUID of version 8 (RFC 9562, 5.8) and a hash seed that depend on nothing but the size. */
function identityOf(sizeMib: number): Ext4Identity {
  const digest = createHash("sha256").update(`windlass scratch disk, ${sizeMib} MiB`).digest();
  const uuid = digest.subarray(0, 16);
  uuid[6] = ((uuid[6] ?? 0) & 0x0f) | 0x80;
  uuid[8] = ((uuid[8] ?? 0) & 0x3f) | 0x80;
  return { uuid, hashSeed: digest.subarray(16) };
}
