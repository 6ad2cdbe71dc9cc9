/**
 * Writes the content of files, in tree order, and notes on each node where it went. Compression runs
 * in other threads; results are taken in order, and what is under way is bounded.
 */
import type { FileEntry } from "../rootfs/tree.ts";
import { BLOCK_BYTES } from "./erofs-format.ts";
import { type ErofsNode, inlineTailBytes } from "./erofs-node.ts";
import { readContent } from "./file-content.ts";
import type { ImageFile } from "./image-file.ts";
import type { PackerPool } from "./packer-pool.ts";
import type { PackedSegment } from "./segment-packer.ts";

/**
 * Input bytes of one unit of work. A multiple of the block size; part of the format of the result:
 * another value gives another image.
 */
const SEGMENT_BYTES = 4 * 1024 * 1024;
/** Files up to this size are never compressed: the index would eat the gain. */
const MIN_COMPRESSED_BYTES = BLOCK_BYTES + 64;

/** Input bytes and segments under way per image; bounds memory and keeps every thread busy. */
const MAX_BYTES_UNDER_WAY = 8 * SEGMENT_BYTES;
const MAX_SEGMENTS_UNDER_WAY = 64;

export interface FileDataOptions {
  /** Absent: files are stored as they are. */
  readonly pool?: PackerPool | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Whether a file's content goes through the packer. */
export function isCompressible({ entry, sizeBytes }: ErofsNode): boolean {
  return entry.kind === "file" && sizeBytes > MIN_COMPRESSED_BYTES;
}

/** Tails that follow their inode are not written here. */
export async function writeFileData(
  nodes: readonly ErofsNode[],
  file: ImageFile,
  { pool, signal }: FileDataOptions,
): Promise<void> {
  const queue: Array<() => Promise<number>> = [];
  let bytesUnderWay = 0;
  const finishOldest = async (): Promise<void> => {
    bytesUnderWay -= (await queue.shift()?.()) ?? 0;
  };
  for (const node of nodes) {
    const { entry } = node;
    if (entry.kind !== "file") continue;
    if (!pool || !isCompressible(node)) {
      while (queue.length > 0) await finishOldest();
      await writeFlat(node, entry, file, signal);
      continue;
    }
    const writer = compressedFileWriter(node, file);
    for await (const segment of readContent(entry, { pieceBytes: SEGMENT_BYTES, signal })) {
      const sizeBytes = segment.length;
      const packed = pool.pack(segment);
      // The failure is met when the segment's turn comes.
      packed.catch(() => {});
      bytesUnderWay += sizeBytes;
      queue.push(async () => {
        await writer(await packed, sizeBytes);
        return sizeBytes;
      });
      while (bytesUnderWay > MAX_BYTES_UNDER_WAY || queue.length > MAX_SEGMENTS_UNDER_WAY) {
        await finishOldest();
      }
    }
  }
  while (queue.length > 0) await finishOldest();
}

async function writeFlat(
  node: ErofsNode,
  entry: FileEntry,
  file: ImageFile,
  signal: AbortSignal | undefined,
): Promise<void> {
  const inlineBytes = inlineTailBytes(node);
  const blockPart = node.sizeBytes - inlineBytes;
  node.data = { kind: "flat", firstBlock: file.sizeBytes / BLOCK_BYTES, inlineBytes };
  if (blockPart === 0) return;
  let left = blockPart;
  for await (const piece of oneAhead(readContent(entry, { signal }))) {
    await file.append(piece.subarray(0, left));
    left -= Math.min(left, piece.length);
  }
  await file.pad(BLOCK_BYTES);
}

/** Asks for the next piece while the one before is used. */
async function* oneAhead<T>(source: AsyncGenerator<T>): AsyncGenerator<T> {
  try {
    for (let next = source.next(); ; ) {
      const { done, value } = await next;
      if (done) return;
      next = source.next();
      next.catch(() => {}); // Thrown when it is its turn.
      yield value;
    }
  } finally {
    await source.return(undefined);
  }
}

/** Takes a file's packed segments in order; with the last one it notes where the content lies. */
function compressedFileWriter(
  node: ErofsNode,
  file: ImageFile,
): (packed: PackedSegment, inputBytes: number) => Promise<void> {
  const extents: Uint32Array[] = [];
  let firstBlock = 0;
  let position = 0;
  let gained = false;
  return async (packed, inputBytes) => {
    if (position === 0) firstBlock = file.sizeBytes / BLOCK_BYTES;
    await file.append(packed.bytes);
    extents.push(packed.extents);
    gained ||= packed.extents.some((blocks, index) => index % 2 === 1 && blocks > 0);
    position += inputBytes;
    if (position < node.sizeBytes) return;
    const blocks = file.sizeBytes / BLOCK_BYTES - firstBlock;
    // Plain extents throughout are exactly the blocks of a flat file: it needs no index.
    node.data = gained
      ? { kind: "compressed", firstBlock, blocks, extents }
      : { kind: "flat", firstBlock, inlineBytes: 0 };
  };
}
