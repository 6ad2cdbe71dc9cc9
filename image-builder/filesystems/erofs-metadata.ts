/** Places inodes, then writes directory data and the metadata area. */
import { encodeDirectory } from "./erofs-directory.ts";
import { encodeExtentIndex, extentIndexBytes } from "./erofs-extent-index.ts";
import {
  BLOCK_BYTES,
  encodeInode,
  inodeBytes,
  LAYOUT_COMPRESSED_FULL,
  LAYOUT_INLINE,
  LAYOUT_PLAIN,
  SLOT_BYTES,
} from "./erofs-format.ts";
import {
  direntType,
  type ErofsNode,
  inlineTailBytes,
  inodeExtent,
  inodeMode,
} from "./erofs-node.ts";
import { readContentWhole } from "./file-content.ts";
import type { ImageFile } from "./image-file.ts";
import { createSlotAllocator } from "./slot-allocator.ts";

/**
 * Gives every inode its place, and with it its number.
 *
 * @returns bytes of the metadata area
 */
export function placeInodes(nodes: readonly ErofsNode[]): number {
  const slots = createSlotAllocator();
  for (const node of nodes) {
    if (node.entry.kind !== "file") {
      node.data = { kind: "flat", firstBlock: 0, inlineBytes: inlineTailBytes(node) };
    }
    node.metaOffset = slots.place(recordBytes(node));
  }
  return slots.sizeBytes;
}

export function nidOf(node: ErofsNode): number {
  return node.metaOffset / SLOT_BYTES;
}

/** Writes the blocks of directories and links that do not fit beside their inode. */
export async function writeDirectoryData(
  nodes: readonly ErofsNode[],
  file: ImageFile,
): Promise<void> {
  for (const node of nodes) {
    if (node.entry.kind === "file" || node.data.kind !== "flat") continue;
    const { inlineBytes } = node.data;
    if (inlineBytes === node.sizeBytes) continue;
    node.data = { kind: "flat", firstBlock: file.sizeBytes / BLOCK_BYTES, inlineBytes };
    const content = await contentOf(node, 0, undefined);
    await file.append(content.subarray(0, node.sizeBytes - inlineBytes));
    await file.pad(BLOCK_BYTES);
  }
}

/** Appends the metadata area; the nodes' data must be written. */
export async function writeMetadata(
  nodes: readonly ErofsNode[],
  file: ImageFile,
  { signal }: { readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const areaAt = file.sizeBytes;
  let area = new Uint8Array(0);
  let areaEnd = 0;
  for (const node of nodes.toSorted((a, b) => a.metaOffset - b.metaOffset)) {
    const firstByte = node.metaOffset - (node.metaOffset % BLOCK_BYTES);
    if (firstByte >= areaEnd) {
      await file.append(area);
      await file.append(new Uint8Array(areaAt + firstByte - file.sizeBytes));
      const blocks = Math.ceil((node.metaOffset + recordBytes(node) - firstByte) / BLOCK_BYTES);
      area = new Uint8Array(blocks * BLOCK_BYTES);
      areaEnd = firstByte + area.length;
    }
    await encodeRecord(area, area.length - (areaEnd - node.metaOffset), node, signal);
  }
  await file.append(area);
}

/** Bytes of an inode and what follows it. */
function recordBytes(node: ErofsNode): number {
  const head = inodeBytes(inodeExtent(node));
  return node.data.kind === "flat"
    ? head + node.data.inlineBytes
    : head + extentIndexBytes(node.sizeBytes);
}

async function encodeRecord(
  area: Uint8Array,
  at: number,
  node: ErofsNode,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { data, sizeBytes, serial } = node;
  const extent = inodeExtent(node);
  const mode = inodeMode(node);
  const after = at + inodeBytes(extent);
  if (data.kind === "compressed") {
    const layout = LAYOUT_COMPRESSED_FULL;
    const blockField = data.blocks;
    encodeInode(area, at, { ...extent, layout, mode, blockField, serial });
    encodeExtentIndex(area, after, data.extents, data.firstBlock, sizeBytes);
    return;
  }
  const layout = data.inlineBytes > 0 ? LAYOUT_INLINE : LAYOUT_PLAIN;
  const blockField = data.firstBlock;
  encodeInode(area, at, { ...extent, layout, mode, blockField, serial });
  if (data.inlineBytes > 0) {
    area.set(await contentOf(node, sizeBytes - data.inlineBytes, signal), after);
  }
}

/** A node's content from an offset on. */
async function contentOf(
  node: ErofsNode,
  offsetBytes: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const { entry } = node;
  switch (entry.kind) {
    case "file":
      return readContentWhole(entry, { offsetBytes, signal });
    case "symlink":
      return Buffer.from(entry.target).subarray(offsetBytes);
    case "directory": {
      const members = node.members.map((member) => ({
        name: member.name,
        type: direntType(member.node),
        nid: nidOf(member.node),
      }));
      return encodeDirectory(members).subarray(offsetBytes);
    }
  }
}
