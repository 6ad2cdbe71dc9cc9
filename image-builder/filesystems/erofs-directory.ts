/**
 * Directory data: blocks of entries, then their names; each block stands alone. Entries, "." and ".."
 * among them, are sorted by the bytes of their names over the whole directory, because the kernel
 * finds a name by binary search over blocks and then within one.
 *
 * | offset | length | meaning                                                            |
 * |--------|--------|--------------------------------------------------------------------|
 * | 0      | 8      | nid                                                                |
 * | 8      | 2      | where in the block the name begins; the first one tells the entries|
 * | 10     | 1      | type: 1 file, 2 directory, 7 symlink                               |
 */
import { BLOCK_BYTES, DIRENT_BYTES } from "./erofs-format.ts";

export interface DirectoryMember {
  readonly name: Uint8Array;
  readonly type: number;
  readonly nid: number;
}

/** Members of each block, in order; what the size depends on. Takes sorted names. */
function* blocksOf<Member extends { readonly name: Uint8Array }>(
  members: readonly Member[],
): Generator<readonly Member[]> {
  let first = 0;
  let used = 0;
  for (const [index, { name }] of members.entries()) {
    const needed = DIRENT_BYTES + name.length;
    if (used + needed > BLOCK_BYTES) {
      yield members.slice(first, index);
      first = index;
      used = 0;
    }
    used += needed;
  }
  yield members.slice(first);
}

/** Bytes of a directory's data: whole blocks but for the last. */
export function directoryBytes(members: readonly { readonly name: Uint8Array }[]): number {
  let total = 0;
  let last = 0;
  for (const block of blocksOf(members)) {
    total += last === 0 ? 0 : BLOCK_BYTES;
    last = block.reduce((sum, { name }) => sum + DIRENT_BYTES + name.length, 0);
  }
  return total + last;
}

/** A directory's data, `directoryBytes` long. */
export function encodeDirectory(members: readonly DirectoryMember[]): Uint8Array {
  const data = new Uint8Array(directoryBytes(members));
  const view = new DataView(data.buffer);
  let base = 0;
  for (const block of blocksOf(members)) {
    let nameAt = block.length * DIRENT_BYTES;
    for (const [index, { name, type, nid }] of block.entries()) {
      const at = base + index * DIRENT_BYTES;
      view.setBigUint64(at, BigInt(nid), true);
      view.setUint16(at + 8, nameAt, true);
      view.setUint8(at + 10, type);
      data.set(name, base + nameAt);
      nameAt += name.length;
    }
    base += BLOCK_BYTES;
  }
  return data;
}

export interface NamedNid {
  readonly name: string;
  readonly nid: number;
  /** As stored: 1 file, 2 directory, 7 symlink, others for nodes that Windlass does not write. */
  readonly type: number;
}

/**
 * The entries of one block; the last block of a directory may be shorter.
 *
 * @throws {RangeError} when the block is malformed
 */
export function decodeDirectoryBlock(block: Buffer): NamedNid[] {
  const namesAt = block.readUInt16LE(8);
  if (namesAt < DIRENT_BYTES || namesAt % DIRENT_BYTES !== 0 || namesAt > block.length) {
    throw new RangeError(`Names begin at byte ${namesAt}`);
  }
  return Array.from({ length: namesAt / DIRENT_BYTES }, (_, index) => {
    const at = index * DIRENT_BYTES;
    const nameAt = block.readUInt16LE(at + 8);
    const isLast = at + DIRENT_BYTES === namesAt;
    const limit = isLast ? block.length : block.readUInt16LE(at + DIRENT_BYTES + 8);
    if (nameAt < namesAt || limit > block.length) throw new RangeError("A name is out of bounds");
    // The last name of a padded block ends at a zero.
    const zeroAt = isLast ? block.indexOf(0, nameAt) : -1;
    const nameEnd = zeroAt === -1 ? limit : zeroAt;
    if (nameEnd <= nameAt) throw new RangeError("A name is empty");
    return {
      name: block.toString("utf8", nameAt, nameEnd),
      nid: Number(block.readBigUInt64LE(at)),
      type: block.readUInt8(at + 10),
    };
  });
}
