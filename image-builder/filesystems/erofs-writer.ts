/**
 * Writes a tree as an erofs image that Linux 6.1 and later mounts. The image is a function of the tree
 * and the options alone: no times, owners or random numbers, whatever the count of threads.
 *
 * Order in the file: super block, file data, directory data, metadata. Data comes first because it
 * streams through; what is kept in memory is the tree and the extents of compressed files.
 */
import { availableParallelism } from "node:os";
import { fileSizeBytes, type LinkedTree } from "../rootfs/tree.ts";
import { isCompressible, writeFileData } from "./erofs-file-data.ts";
import { BLOCK_BYTES, encodeSuperBlock, MAX_CLUSTER_BYTES } from "./erofs-format.ts";
import { nidOf, placeInodes, writeDirectoryData, writeMetadata } from "./erofs-metadata.ts";
import { type ErofsNode, planNodes } from "./erofs-node.ts";
import { ImageFile } from "./image-file.ts";
import { openPackerPool, type PackerPool } from "./packer-pool.ts";

export interface ErofsOptions {
  readonly compression: "none" | "lz4";
  /**
   * The most bytes of one compressed extent: a multiple of 4096, 4 KiB to 1 MiB. Larger is smaller on
   * disk; a guest that reads one page reads and unpacks the whole extent. Default 64 KiB.
   */
  readonly clusterSizeBytes?: number;
  /** How many candidates the matcher looks at, 1 or more. Default 32. */
  readonly searchDepth?: number;
  /** At most 16 bytes of UTF-8. Default none. */
  readonly label?: string;
  /** Threads that compress; 0 uses the caller's. Default: one a core, none for little content. */
  readonly workerCount?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface ErofsImage {
  readonly sizeBytes: number;
  /** SHA-256 of the image, in hex. */
  readonly digest: string;
  /** Sum of the sizes of all files. */
  readonly uncompressedBytes: number;
}

/** Below this much content, starting threads takes longer than it saves. */
const MIN_THREADED_BYTES = 2 * 1024 * 1024;

/**
 * @param target path of the image; appears complete or not at all
 * @throws {ImageError} WL_IMAGE_PROJECT_INVALID for what cannot be read or stored, WL_IMAGE_IO when
 *   the target cannot be written
 * @throws {RangeError} for an option out of range
 */
export async function writeErofs(
  tree: LinkedTree,
  target: string,
  options: ErofsOptions,
): Promise<ErofsImage> {
  const { clusterSizeBytes = 64 * 1024, label = "", signal } = options;
  checkOptions(clusterSizeBytes, label);
  signal?.throwIfAborted();
  const nodes = planNodes(tree);
  const root = nodes[0] as ErofsNode;
  await using pool = openPool(nodes, clusterSizeBytes, options);
  await using file = await ImageFile.create(target);

  await file.append(new Uint8Array(BLOCK_BYTES));
  await writeFileData(nodes, file, { pool, signal });
  placeInodes(nodes);
  await writeDirectoryData(nodes, file);
  const metaBlock = file.sizeBytes / BLOCK_BYTES;
  await writeMetadata(nodes, file, { signal });
  const superBlock = encodeSuperBlock({
    blocks: file.sizeBytes / BLOCK_BYTES,
    inodeCount: nodes.length,
    metaBlock,
    rootNid: nidOf(root),
    label,
    maxClusterBlocks: nodes.some(({ data }) => data.kind === "compressed")
      ? clusterSizeBytes / BLOCK_BYTES
      : 0,
  });
  await file.rewrite(0, superBlock);
  signal?.throwIfAborted();
  const { sizeBytes } = file;
  return { sizeBytes, digest: await file.commit(), uncompressedBytes: contentBytes(tree) };
}

function openPool(
  nodes: readonly ErofsNode[],
  clusterBytes: number,
  { compression, workerCount, searchDepth = 32 }: ErofsOptions,
): PackerPool | undefined {
  if (compression === "none") return undefined;
  const inputBytes = nodes
    .filter(isCompressible)
    .reduce((total, { sizeBytes }) => total + sizeBytes, 0);
  if (inputBytes === 0) return undefined;
  const threads = inputBytes < MIN_THREADED_BYTES ? 0 : availableParallelism();
  return openPackerPool({ workerCount: workerCount ?? threads, clusterBytes, searchDepth });
}

function contentBytes(tree: LinkedTree): number {
  return tree.reduce((sum, entry) => sum + (entry.kind === "file" ? fileSizeBytes(entry) : 0), 0);
}

function checkOptions(clusterSizeBytes: number, label: string): void {
  if (
    clusterSizeBytes % BLOCK_BYTES !== 0 ||
    clusterSizeBytes < BLOCK_BYTES ||
    clusterSizeBytes > MAX_CLUSTER_BYTES
  ) {
    throw new RangeError(
      `clusterSizeBytes is ${clusterSizeBytes}, not a multiple of 4096 to 1 MiB`,
    );
  }
  if (Buffer.byteLength(label) > 16) throw new RangeError(`label ${label} is longer than 16 bytes`);
}
