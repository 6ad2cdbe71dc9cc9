/** Overlays as files: made whole or not at all, and looked at before a machine gets them. */
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { ImageError } from "../errors.ts";
import { withIoError } from "../runtimes/io-error.ts";
import { pathBeside } from "../store/replace-file.ts";
import {
  type Backing,
  OVERLAY_FILE_BYTES,
  overlayPieces,
  parseQcow2Header,
  QCOW2_HEADER_BYTES,
  type Qcow2Header,
  tableOffsets,
} from "./qcow2.ts";

/**
 * Makes an empty overlay, readable by its owner only. It is not synced: what the guest syncs later
 * takes the file along, and before that there is nothing in it.
 *
 * @throws {ImageError} WL_IMAGE_IO; {RangeError} as `overlayPieces` does
 */
export async function createOverlay(
  path: string,
  { backing, sizeBytes }: { readonly backing: Backing; readonly sizeBytes: number },
): Promise<void> {
  const pieces = overlayPieces(backing, sizeBytes);
  const beside = pathBeside(path);
  const write = async (): Promise<void> => {
    await using file = await open(beside, "wx", 0o600);
    for (const { bytes, offsetBytes } of pieces)
      await file.write(bytes, 0, bytes.length, offsetBytes);
    await file.truncate(OVERLAY_FILE_BYTES);
  };
  try {
    await withIoError("write", path, write());
    await withIoError("write", path, rename(beside, path));
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}

/**
 * Looks whether an overlay is whole. QEMU reads what a cut file lacks from the backing file: the guest
 * would silently get old data.
 *
 * @throws {ImageError} WL_IMAGE_STORE when it is missing or damaged, WL_IMAGE_IO when it cannot be read
 */
export async function checkOverlay(path: string): Promise<Qcow2Header> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) throw damaged(path, "it is missing");
  const look = async (): Promise<Qcow2Header> => {
    await using file = await open(path, "r");
    const { size } = await file.stat();
    const header = parseQcow2Header(await readAt(file, 0, QCOW2_HEADER_BYTES));
    if (!header) throw damaged(path, "it is no qcow2 file");
    const { l1OffsetBytes, l1Count, clusterBytes } = header;
    if (l1OffsetBytes + 8 * l1Count > size) throw damaged(path, "it was cut");
    for (const l2Offset of tableOffsets(await readAt(file, l1OffsetBytes, 8 * l1Count))) {
      if (l2Offset + clusterBytes > size) throw damaged(path, "it was cut");
      const clusters = tableOffsets(await readAt(file, l2Offset, clusterBytes));
      if (clusters.some((offset) => offset >= size)) throw damaged(path, "it was cut");
    }
    return header;
  };
  return await withIoError("read", path, look());
}

async function readAt(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, offset);
  return bytes.subarray(0, bytesRead);
}

function damaged(path: string, why: string): ImageError {
  return new ImageError("WL_IMAGE_STORE", `Cannot use disk ${JSON.stringify(path)}: ${why}`, {
    file: path,
    next: "Put the file back as it was, or remove the instance and make a new one",
  });
}
