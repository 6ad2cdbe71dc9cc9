/** A layer's blob as the archive in it: unpacked, bounded, and held to its digests. */
import { createHash, type Hash } from "node:crypto";
import { pipeline, Readable, type Transform } from "node:stream";
import * as zlib from "node:zlib";
import { containerError } from "./container-error.ts";
import type { Allowance } from "./content-file.ts";

export type Compression = "none" | "gzip" | "zstd" | "detect";

/** A digest as OCI writes it: "sha256:HEX". */
export type Digest = `${"sha256" | "sha512"}:${string}`;

export interface Layer {
  /** For messages: "layer 2 of 5". */
  readonly title: string;
  readonly compression: Compression;
  /** Of the blob; absent where the archive it comes from names none. */
  readonly digest?: Digest | undefined;
  /** Of the archive in it. */
  readonly diffId: Digest;
  readonly sizeBytes: number;
  open(): AsyncIterable<Uint8Array>;
}

/**
 * @returns the archive's bytes; the last are given only after the digests were found right
 * @throws {ImageError} WL_IMAGE_CONTAINER_INVALID
 */
export async function* layerArchive(
  layer: Layer,
  { allowance, signal }: { allowance: Allowance; signal?: AbortSignal | undefined },
): AsyncGenerator<Uint8Array> {
  const { title } = layer;
  const blobHash = layer.digest && digestHash(layer.digest);
  const archiveHash = digestHash(layer.diffId);
  let readBytes = 0;
  async function* blob(): AsyncGenerator<Uint8Array> {
    for await (const piece of layer.open()) {
      signal?.throwIfAborted();
      readBytes += piece.length;
      if (readBytes > layer.sizeBytes) break;
      blobHash?.update(piece);
      yield piece;
    }
  }
  try {
    for await (const piece of unpacked(blob(), layer)) {
      allowance.leftBytes -= piece.length;
      if (allowance.leftBytes < 0) {
        throw containerError(`${title} is larger unpacked than Windlass takes`, {
          next: "Build a smaller image",
        });
      }
      archiveHash.update(piece);
      yield piece;
    }
  } catch (error) {
    throw unpackError(error, title);
  }
  if (readBytes !== layer.sizeBytes) {
    const real = readBytes > layer.sizeBytes ? "more" : String(readBytes);
    throw containerError(`${title} has ${real} bytes, its manifest says ${layer.sizeBytes}`);
  }
  if (blobHash && layer.digest) checkDigest(blobHash, layer.digest, title);
  checkDigest(archiveHash, layer.diffId, `The content of ${title}`);
}

/** @returns a hash of the digest's kind */
export function digestHash(digest: Digest): Hash {
  return createHash(digest.slice(0, digest.indexOf(":")));
}

/** @throws {ImageError} WL_IMAGE_CONTAINER_INVALID */
export function checkDigest(hash: Hash, digest: Digest, what: string): void {
  const found = hash.digest("hex");
  if (digest.endsWith(`:${found}`)) return;
  const shown = `${digest.slice(0, digest.indexOf(":"))}:${found}`;
  throw containerError(`${what} has the digest ${shown}, not ${digest}`);
}

async function* unpacked(
  blob: AsyncGenerator<Uint8Array>,
  { compression, title }: Layer,
): AsyncGenerator<Uint8Array> {
  const first = await blob.next();
  if (first.done) return;
  const kind = compression === "detect" ? detected(first.value) : compression;
  async function* whole(): AsyncGenerator<Uint8Array> {
    yield first.value as Uint8Array;
    yield* blob;
  }
  if (kind === "none") return yield* whole();
  const unpacker = kind === "gzip" ? zlib.createGunzip(CHUNKS) : zstdUnpacker(title);
  // Its error is thrown by the loop over the unpacker.
  const stream = pipeline(Readable.from(whole(), { objectMode: true }), unpacker, () => {});
  for await (const piece of stream as AsyncIterable<Uint8Array>) yield piece;
}

/** Another thread unpacks: it goes on by so much while what it has unpacked is hashed and written. */
const AHEAD_BYTES = 4 * 1024 * 1024;
const CHUNKS = { chunkSize: 256 * 1024, highWaterMark: AHEAD_BYTES } as const;

function detected(start: Uint8Array): Exclude<Compression, "detect"> {
  if (start[0] === 0x1f && start[1] === 0x8b) return "gzip";
  const isZstd = Buffer.from(start.subarray(0, 4)).toString("hex") === "28b52ffd";
  return isZstd ? "zstd" : "none";
}

/** Node has zstd since 22.15. */
function zstdUnpacker(title: string): Transform {
  const { createZstdDecompress } = zlib as {
    createZstdDecompress?: (options: object) => Transform;
  };
  if (createZstdDecompress) return createZstdDecompress(CHUNKS);
  throw containerError(
    `${title} is packed with zstd, which Node ${process.versions.node} cannot unpack`,
    {
      next: "Run Windlass with Node 22.15 or newer, or have the image pushed with gzip",
    },
  );
}

function unpackError(error: unknown, title: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  const isZlib = typeof code === "string" && /^(Z_|ZSTD_|ERR_ZSTD)/.test(code);
  if (!isZlib) return error;
  return containerError(`${title} cannot be unpacked: ${(error as Error).message}`, {
    cause: error,
  });
}
