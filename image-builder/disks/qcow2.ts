/**
 * qcow2 overlays (version 3; docs/interop/qcow2.txt of QEMU): disks that hold what differs from another
 * disk. Written here and not by qemu-img, because a process of its own takes longer than the whole rest.
 *
 * A new overlay is four clusters of 64 KiB, of which the host keeps three pages:
 *
 * | cluster | what |
 * |---|---|
 * | 0 | header, header extensions, path of the backing file |
 * | 1 | refcount table |
 * | 2 | first refcount block: the four clusters are in use |
 * | 3 | L1 table: nothing is mapped, so everything is read from the backing file |
 *
 * The backing file's path is kept inside. An absolute one means that neither file can be moved alone.
 */

export type BackingFormat = "raw" | "qcow2";

export interface Backing {
  /** Absolute; or the bare name of a file in the overlay's own folder, wherever that will be. */
  readonly path: string;
  readonly format: BackingFormat;
}

export interface Qcow2Header {
  /** What the guest sees. */
  readonly sizeBytes: number;
  readonly clusterBytes: number;
  readonly l1OffsetBytes: number;
  readonly l1Count: number;
  readonly backingPath: string | undefined;
}

const MAGIC = 0x514649fb; // "QFI\xfb"
const VERSION = 3;
const CLUSTER_BITS = 16;
const CLUSTER_BYTES = 2 ** CLUSTER_BITS;
/** An L2 table is one cluster of 8-byte entries, one per cluster of the disk. */
const BYTES_PER_L2_TABLE = (CLUSTER_BYTES / 8) * CLUSTER_BYTES;
const HEADER_BYTES = 104;
/** 2^4 bits a refcount: what QEMU makes. */
const REFCOUNT_ORDER = 4;
const BACKING_FORMAT_EXTENSION = 0xe2792aca;
/** "Length of the backing file name in bytes. Must not be longer than 1023 bytes." */
const BACKING_PATH_LIMIT_BYTES = 1023;
/** Without the colon that makes QEMU see a protocol. */
const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
/** The L1 table is one cluster: 8192 entries, 4 TiB. */
const SIZE_LIMIT_BYTES = (CLUSTER_BYTES / 8) * BYTES_PER_L2_TABLE;

/** How many bytes of a file `parseQcow2Header` wants. */
export const QCOW2_HEADER_BYTES = CLUSTER_BYTES;

/** How long the file of a new overlay is; what follows the bytes of `overlayBytes` is zero. */
export const OVERLAY_FILE_BYTES = 4 * CLUSTER_BYTES;

/**
 * The first bytes of a new overlay; the file has OVERLAY_FILE_BYTES.
 *
 * @param sizeBytes a multiple of 512, up to 4 TiB; not less than the backing disk's
 * @throws {RangeError} for another size, or a path that the format has no room for
 */
export function overlayPieces(
  backing: Backing,
  sizeBytes: number,
): readonly { readonly offsetBytes: number; readonly bytes: Buffer }[] {
  const path = Buffer.from(backing.path);
  const isPlain = backing.path.startsWith("/") || FILE_NAME.test(backing.path);
  if (!isPlain || path.length > BACKING_PATH_LIMIT_BYTES) {
    throw new RangeError(`"${backing.path}" is not absolute, or too long for a qcow2 file`);
  }
  if (!(sizeBytes > 0 && sizeBytes % 512 === 0 && sizeBytes <= SIZE_LIMIT_BYTES)) {
    throw new RangeError(`${sizeBytes} is no size of a disk`);
  }
  const format = Buffer.from(backing.format);
  const extension = Buffer.alloc(8 + Math.ceil(format.length / 8) * 8);
  extension.writeUInt32BE(BACKING_FORMAT_EXTENSION, 0);
  extension.writeUInt32BE(format.length, 4);
  format.copy(extension, 8);
  const end = Buffer.alloc(8); // The extension of type 0 ends the list.

  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32BE(MAGIC, 0);
  header.writeUInt32BE(VERSION, 4);
  header.writeBigUInt64BE(BigInt(HEADER_BYTES + extension.length + end.length), 8);
  header.writeUInt32BE(path.length, 16);
  header.writeUInt32BE(CLUSTER_BITS, 20);
  header.writeBigUInt64BE(BigInt(sizeBytes), 24);
  header.writeUInt32BE(Math.ceil(sizeBytes / BYTES_PER_L2_TABLE), 36); // L1 entries
  header.writeBigUInt64BE(BigInt(3 * CLUSTER_BYTES), 40); // L1 table
  header.writeBigUInt64BE(BigInt(CLUSTER_BYTES), 48); // refcount table,
  header.writeUInt32BE(1, 56); // of one cluster
  header.writeUInt32BE(REFCOUNT_ORDER, 96);
  header.writeUInt32BE(HEADER_BYTES, 100);

  const refcountTable = Buffer.alloc(8);
  refcountTable.writeBigUInt64BE(BigInt(2 * CLUSTER_BYTES));
  const refcounts = Buffer.alloc(8);
  for (let cluster = 0; cluster < 4; cluster += 1) refcounts.writeUInt16BE(1, 2 * cluster);
  return [
    { offsetBytes: 0, bytes: Buffer.concat([header, extension, end, path]) },
    { offsetBytes: CLUSTER_BYTES, bytes: refcountTable },
    { offsetBytes: 2 * CLUSTER_BYTES, bytes: refcounts },
  ];
}

/**
 * @param bytes the file's first QCOW2_HEADER_BYTES, or all of a shorter file
 * @returns undefined for what is no qcow2 file of version 3 with clusters of at most 2 MiB
 */
export function parseQcow2Header(bytes: Buffer): Qcow2Header | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  if (bytes.readUInt32BE(0) !== MAGIC || bytes.readUInt32BE(4) !== VERSION) return undefined;
  const clusterBits = bytes.readUInt32BE(20);
  if (clusterBits < 9 || clusterBits > 21) return undefined;
  const [pathAt, pathLength] = [Number(bytes.readBigUInt64BE(8)), bytes.readUInt32BE(16)];
  if (pathAt > 0 && pathAt + pathLength > bytes.length) return undefined;
  return {
    sizeBytes: Number(bytes.readBigUInt64BE(24)),
    clusterBytes: 2 ** clusterBits,
    l1OffsetBytes: Number(bytes.readBigUInt64BE(40)),
    l1Count: bytes.readUInt32BE(36),
    backingPath:
      pathAt === 0 ? undefined : bytes.subarray(pathAt, pathAt + pathLength).toString("utf8"),
  };
}

/**
 * Where in the file an L1 or L2 table points to. Entries that promise no content there are left out:
 * nothing mapped, all zeros (bit 0), compressed (bit 62; never made by us).
 */
export function tableOffsets(table: Buffer): number[] {
  const offsets: number[] = [];
  for (let at = 0; at + 8 <= table.length; at += 8) {
    const [high, low] = [table.readUInt32BE(at), table.readUInt32BE(at + 4)];
    const isContent = (low & 1) === 0 && (high & 0x4000_0000) === 0;
    const offset = (high & 0x00ff_ffff) * 2 ** 32 + ((low & 0xffff_fe00) >>> 0);
    if (isContent && offset !== 0) offsets.push(offset);
  }
  return offsets;
}
