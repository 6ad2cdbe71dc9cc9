/** Reads super block and inodes; the layouts are described in `erofs-format.ts`. */
import { ImageError } from "../errors.ts";
import { crc32c } from "./crc32c.ts";
import {
  BLOCK_BYTES,
  COMPACT_INODE_BYTES,
  COMPAT_CHECKSUM,
  EXTENDED_INODE_BYTES,
  INCOMPAT_BIG_CLUSTER,
  INCOMPAT_ZERO_PADDING,
  SLOT_BYTES,
  SUPER_MAGIC,
  SUPER_OFFSET,
} from "./erofs-format.ts";
import { damaged, type ImageBytes } from "./image-bytes.ts";

export interface ErofsVolume {
  readonly image: ImageBytes;
  /** Where nid 0 would lie. */
  readonly metaOffset: number;
  readonly rootNid: number;
  readonly label: string;
}

export interface ErofsInode {
  readonly nid: number;
  /** Type and permission bits. */
  readonly mode: number;
  readonly layout: number;
  readonly sizeBytes: number;
  readonly linkCount: number;
  readonly uid: number;
  readonly gid: number;
  /** Since 1970. */
  readonly modifiedSeconds: number;
  /** First block of flat data. */
  readonly firstBlock: number;
  /** Byte in the image behind the inode and its attributes. */
  readonly endOffset: number;
}

/**
 * @throws {ImageError} WL_IMAGE_STORE when it is no erofs image, is damaged, or uses a feature that
 *   Windlass does not write
 */
export async function readVolume(image: ImageBytes): Promise<ErofsVolume> {
  if (image.sizeBytes < BLOCK_BYTES) throw refused(image, "is no erofs image");
  const area = (await image.read(0, BLOCK_BYTES)).subarray(SUPER_OFFSET);
  if (area.readUInt32LE(0) !== SUPER_MAGIC) throw refused(image, "is no erofs image");
  if (area.readUInt8(12) !== Math.log2(BLOCK_BYTES)) {
    throw refused(image, "has a block size other than 4096");
  }
  if ((area.readUInt32LE(8) & COMPAT_CHECKSUM) !== 0) {
    const unsigned = Buffer.from(area);
    unsigned.writeUInt32LE(0, 4);
    if (crc32c(0xffffffff, unsigned) !== area.readUInt32LE(4)) {
      throw damaged(image.name, "the checksum of its super block is wrong");
    }
  }
  const features = area.readUInt32LE(80);
  const unknown = features & ~(INCOMPAT_ZERO_PADDING | INCOMPAT_BIG_CLUSTER);
  if (unknown !== 0) throw refused(image, `uses erofs features 0x${unknown.toString(16)}`);
  const label = area.subarray(64, 80).toString().replace(/\0.*$/s, "");
  return {
    image,
    metaOffset: area.readUInt32LE(40) * BLOCK_BYTES,
    rootNid: area.readUInt16LE(14),
    label,
  };
}

/** @throws {ImageError} WL_IMAGE_STORE when the inode does not lie in the image or is malformed */
export async function readInode(volume: ErofsVolume, nid: number): Promise<ErofsInode> {
  const { image, metaOffset } = volume;
  const offset = metaOffset + nid * SLOT_BYTES;
  const format = (await image.read(offset, 2)).readUInt16LE(0);
  const extended = (format & 1) === 1;
  const headBytes = extended ? EXTENDED_INODE_BYTES : COMPACT_INODE_BYTES;
  const inode = await image.read(offset, headBytes);
  const sizeBytes = extended ? Number(inode.readBigUInt64LE(8)) : inode.readUInt32LE(8);
  if (!Number.isSafeInteger(sizeBytes)) throw damaged(image.name, `inode ${nid} has no size`);
  // Extended attributes: a header of 12 bytes stands for the first, 4 bytes for each further one.
  const attributes = inode.readUInt16LE(2);
  const attributeBytes = attributes === 0 ? 0 : 12 + (attributes - 1) * 4;
  return {
    nid,
    mode: inode.readUInt16LE(4),
    layout: (format >> 1) & 7,
    sizeBytes,
    linkCount: extended ? inode.readUInt32LE(44) : inode.readUInt16LE(6),
    uid: extended ? inode.readUInt32LE(24) : inode.readUInt16LE(24),
    gid: extended ? inode.readUInt32LE(28) : inode.readUInt16LE(26),
    modifiedSeconds: extended ? Number(inode.readBigUInt64LE(32)) : 0,
    firstBlock: inode.readUInt32LE(16),
    endOffset: offset + headBytes + attributeBytes,
  };
}

/** The error for an image that may be sound but is not one that Windlass reads. */
export function refused(image: ImageBytes, why: string): ImageError {
  return new ImageError("WL_IMAGE_STORE", `${JSON.stringify(image.name)} ${why}`, {
    file: image.name,
    next: "Give an image that Windlass wrote",
  });
}
