/**
 * Packs one segment of a file into erofs physical clusters. A segment is the unit of parallel work:
 * it is packed from its own bytes only, so the result does not depend on who packs it or when.
 *
 * A segment becomes a row of extents. Each is either compressed (an LZ4 block in up to
 * `clusterBytes`, right-aligned in whole 4096-byte blocks) or plain (at most one block, as it is).
 * The matcher fills a cluster and takes as much input as fits, so that rounding up to whole blocks
 * costs nothing but at the end of a segment.
 *
 * The factory is self-contained on purpose: worker threads are started from its source text (see
 * `packer-pool.ts`).
 */
import type { Lz4Compressor } from "./lz4-compressor.ts";

export interface PackedSegment {
  /** Whole blocks, extent after extent. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Two numbers an extent: input bytes, and blocks when it is compressed or 0 when it is plain. */
  readonly extents: Uint32Array<ArrayBuffer>;
}

export type SegmentPacker = (segment: Uint8Array) => PackedSegment;

/**
 * @param clusterBytes the most bytes of a compressed extent; a multiple of 4096
 */
export function createSegmentPacker(
  compressor: Lz4Compressor,
  clusterBytes: number,
): SegmentPacker {
  const blockBytes = 4096;
  // A reader that wants one page unpacks its whole extent: very compressible data stays bounded.
  const maxExtentBytes = clusterBytes * 16;
  const cluster = new Uint8Array(clusterBytes);

  return (segment) => {
    const end = segment.length;
    const packed = new Uint8Array(Math.ceil(end / blockBytes) * blockBytes);
    const extents: number[] = [];
    let out = 0;

    const addPlain = (from: number, to: number): void => {
      for (let at = from; at < to; at += blockBytes) {
        const size = Math.min(blockBytes, to - at);
        packed.set(segment.subarray(at, at + size), out);
        extents.push(size, 0);
        out += blockBytes;
      }
    };

    compressor.load(segment);
    for (let at = 0; at < end; ) {
      const limit = Math.min(end, at + maxExtentBytes);
      const progress = compressor.compress(at, limit, cluster, clusterBytes);
      const { consumedBytes, producedBytes } = progress;
      const blocks = Math.ceil(producedBytes / blockBytes);
      const atEnd = at + consumedBytes === end;
      const wholeBlocks = Math.floor(consumedBytes / blockBytes);
      const plainBlocks = atEnd ? Math.ceil(consumedBytes / blockBytes) : wholeBlocks;
      if (blocks < plainBlocks) {
        packed.set(cluster.subarray(0, producedBytes), out + blocks * blockBytes - producedBytes);
        extents.push(consumedBytes, blocks);
        out += blocks * blockBytes;
        at += consumedBytes;
      } else {
        const stop = atEnd ? end : Math.min(end, at + Math.max(1, wholeBlocks) * blockBytes);
        addPlain(at, stop);
        at = stop;
      }
    }
    return { bytes: packed.subarray(0, out), extents: Uint32Array.from(extents) };
  };
}
