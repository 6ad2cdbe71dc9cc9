/** Reads the bytes of a tree's files, piece by piece, and holds them to the size the tree states. */
import { type FileHandle, open } from "node:fs/promises";
import { ImageError } from "../errors.ts";
import type { FileEntry } from "../rootfs/tree.ts";

export interface ContentRange {
  /** First byte to read. Default 0. */
  readonly offsetBytes?: number;
  /** Bytes of every piece but the last. Default 1 MiB. */
  readonly pieceBytes?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The content of a file from an offset to its end. Every piece has a buffer of its own, so that it
 * can be handed to another thread.
 *
 * @throws {ImageError} WL_IMAGE_PROJECT_INVALID when the file cannot be read or is not as long as the
 *   tree says
 */
export async function* readContent(
  entry: FileEntry,
  { offsetBytes = 0, pieceBytes = 1024 * 1024, signal }: ContentRange = {},
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const { source } = entry;
  if (source.kind === "bytes") {
    for (let at = offsetBytes; at < source.bytes.length; at += pieceBytes) {
      signal?.throwIfAborted();
      yield Uint8Array.from(source.bytes.subarray(at, at + pieceBytes));
    }
    return;
  }
  const { path, sizeBytes } = source;
  const startBytes = source.kind === "range" ? source.offsetBytes : 0;
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, "r").catch(unreadable(path));
    const { size } = await handle.stat().catch(unreadable(path));
    const isWhole = source.kind === "path" ? size === sizeBytes : size >= startBytes + sizeBytes;
    if (!isWhole) throw changed(path);
    for (let at = offsetBytes; at < sizeBytes; ) {
      signal?.throwIfAborted();
      const piece = new Uint8Array(Math.min(pieceBytes, sizeBytes - at));
      for (let filled = 0; filled < piece.length; ) {
        const { bytesRead } = await handle
          .read(piece, filled, piece.length - filled, startBytes + at + filled)
          .catch(unreadable(path));
        if (bytesRead === 0) throw changed(path);
        filled += bytesRead;
      }
      at += piece.length;
      yield piece;
    }
  } finally {
    await handle?.close();
  }
}

/** The content of a file from an offset to its end, in one piece: for what is known to be small. */
export async function readContentWhole(
  entry: FileEntry,
  range: ContentRange = {},
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of readContent(entry, range)) pieces.push(piece);
  return pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces);
}

function unreadable(path: string): (cause: unknown) => never {
  return (cause) => {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ImageError(
      "WL_IMAGE_PROJECT_INVALID",
      `Cannot read ${JSON.stringify(path)}: ${why}`,
      { file: path, next: "Make the file readable or leave it out of the image" },
      cause,
    );
  };
}

function changed(path: string): ImageError {
  return new ImageError(
    "WL_IMAGE_PROJECT_INVALID",
    `${JSON.stringify(path)} changed its size while the image was written`,
    { file: path, next: "Build again when nothing writes to it" },
  );
}
