/** The bytes of an inode, whatever its layout. */
import { readExtents } from "./erofs-extents.ts";
import {
  BLOCK_BYTES,
  LAYOUT_COMPRESSED_COMPACT,
  LAYOUT_COMPRESSED_FULL,
  LAYOUT_INLINE,
  LAYOUT_PLAIN,
} from "./erofs-format.ts";
import { type ErofsInode, type ErofsVolume, refused } from "./erofs-inode.ts";
import { damaged, type ImageBytes } from "./image-bytes.ts";
import { decompressLz4Block } from "./lz4-decompressor.ts";

const PIECE_BYTES = 1024 * 1024;

/**
 * An inode's bytes in order. Of flat content every piece but the last is whole blocks.
 *
 * @throws {ImageError} WL_IMAGE_STORE when the content is damaged or stored in an unsupported way
 */
export async function* readInodeContent(
  volume: ErofsVolume,
  inode: ErofsInode,
): AsyncGenerator<Buffer> {
  switch (inode.layout) {
    case LAYOUT_PLAIN:
    case LAYOUT_INLINE:
      return yield* flatContent(volume.image, inode);
    case LAYOUT_COMPRESSED_FULL:
    case LAYOUT_COMPRESSED_COMPACT:
      return yield* compressedContent(volume, inode);
    default:
      throw refused(volume.image, `stores inode ${inode.nid} in layout ${inode.layout}`);
  }
}

async function* flatContent(image: ImageBytes, inode: ErofsInode): AsyncGenerator<Buffer> {
  const { sizeBytes, firstBlock, endOffset, layout } = inode;
  const inlineBytes = layout === LAYOUT_INLINE ? sizeBytes % BLOCK_BYTES : 0;
  const blockPart = sizeBytes - inlineBytes;
  for (let at = 0; at < blockPart; at += PIECE_BYTES) {
    const size = Math.min(PIECE_BYTES, blockPart - at);
    yield await image.read(firstBlock * BLOCK_BYTES + at, size);
  }
  if (inlineBytes > 0) yield await image.read(endOffset, inlineBytes);
}

async function* compressedContent(volume: ErofsVolume, inode: ErofsInode): AsyncGenerator<Buffer> {
  const { image } = volume;
  for await (const extent of readExtents(volume, inode)) {
    const length = extent.endBytes - extent.startBytes;
    const offset = extent.firstBlock * BLOCK_BYTES;
    if (!extent.compressed) {
      yield await image.read(offset, length);
      continue;
    }
    const blocks = await image.read(offset, extent.blocks * BLOCK_BYTES);
    const padding = blocks.subarray(0, BLOCK_BYTES).findIndex((byte) => byte !== 0);
    if (padding === -1) throw damaged(image.name, `inode ${inode.nid} has an empty extent`);
    const piece = Buffer.alloc(length);
    let unpacked: number;
    try {
      unpacked = decompressLz4Block(blocks.subarray(padding), piece);
    } catch (cause) {
      throw damaged(image.name, `inode ${inode.nid} does not decompress`, cause);
    }
    if (unpacked !== length) throw damaged(image.name, `inode ${inode.nid} is cut off`);
    yield piece;
  }
}
