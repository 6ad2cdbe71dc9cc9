/**
 * A part as it goes to a registry: compressed where that saves a tenth or more. What compressing came to is
 * remembered in the cache (`CACHE/registry/packed/HEX.json`), so that a part that the registry has already is
 * not compressed again to find out.
 */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip, gzipSync } from "node:zlib";
import { ImageError } from "../errors.ts";
import { withIoError } from "../runtimes/io-error.ts";
import type { Part } from "../store/image.ts";
import { replaceFile } from "../store/replace-file.ts";

/** Digest in hex. */
export interface PackedPart {
  readonly digest: string;
  readonly size: number;
  readonly isCompressed: boolean;
}

const SAMPLES = 4;
const SAMPLE_BYTES = 256 * 1024;
const WORTHWHILE_RATIO = 0.9;
/** zlib's own default: level 9 takes twice as long for a hundredth. */
const LEVEL = 6;

/** What an earlier push made of a part. */
export async function rememberedPack(
  cacheFolder: string,
  part: Part,
): Promise<PackedPart | undefined> {
  try {
    const text = await readFile(memoryPath(cacheFolder, part), "utf8");
    const { digest, size, isCompressed } = JSON.parse(text) as PackedPart;
    const isSound = /^[0-9a-f]{64}$/.test(digest) && Number.isSafeInteger(size);
    return isSound && typeof isCompressed === "boolean"
      ? { digest, size, isCompressed }
      : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param target where the compressed part is written, if it is worth while
 * @throws {ImageError} WL_IMAGE_STORE when the part is damaged; WL_IMAGE_IO
 */
export async function packPart(
  cacheFolder: string,
  {
    part,
    path,
    target,
    signal,
  }: {
    readonly part: Part;
    readonly path: string;
    readonly target: string;
    readonly signal: AbortSignal | undefined;
  },
): Promise<PackedPart> {
  const isCompressed = await isWorthCompressing(path, part.sizeBytes);
  const packed = isCompressed
    ? { ...(await compress(part, path, target, signal)), isCompressed }
    : { digest: part.digest, size: part.sizeBytes, isCompressed };
  await replaceFile(memoryPath(cacheFolder, part), JSON.stringify(packed));
  return packed;
}

/** Decided on samples, the same for the same content. */
async function isWorthCompressing(path: string, sizeBytes: number): Promise<boolean> {
  const file = await withIoError("read", path, open(path, "r"));
  try {
    let plain = 0;
    let packed = 0;
    for (let index = 0; index < SAMPLES; index += 1) {
      const buffer = Buffer.alloc(SAMPLE_BYTES);
      const at = Math.floor((sizeBytes * index) / SAMPLES);
      const { bytesRead } = await file.read(buffer, 0, SAMPLE_BYTES, at);
      plain += bytesRead;
      packed += gzipSync(buffer.subarray(0, bytesRead), { level: LEVEL }).length;
    }
    return packed < plain * WORTHWHILE_RATIO;
  } finally {
    await file.close();
  }
}

async function compress(
  part: Part,
  path: string,
  target: string,
  signal: AbortSignal | undefined,
): Promise<{ digest: string; size: number }> {
  await withIoError("write", target, mkdir(join(target, ".."), { recursive: true }));
  const before = new HashedStream();
  const after = new HashedStream();
  const work = pipeline(
    [
      createReadStream(path),
      before,
      createGzip({ level: LEVEL }),
      after,
      createWriteStream(target),
    ],
    signal ? { signal } : {},
  );
  await withIoError("write", target, work);
  if (before.digest() !== part.digest) {
    const message = `Part ${part.digest.slice(0, 12)} of the image store has other content`;
    throw new ImageError("WL_IMAGE_STORE", message, { next: "Build the image again" });
  }
  return { digest: after.digest(), size: after.sizeBytes };
}

/**
 * Writes what a layer holds, and looks at every byte.
 *
 * @returns digest in hex and size; the caller compares
 * @throws {ImageError} WL_IMAGE_IO; an error of zlib
 */
export async function unpackLayer(
  { path, isCompressed, maxBytes }: { path: string; isCompressed: boolean; maxBytes: number },
  target: string,
  signal: AbortSignal | undefined,
): Promise<Part> {
  const hashed = new HashedStream(maxBytes);
  const middle = isCompressed ? [createGunzip(), hashed] : [hashed];
  const streams = [createReadStream(path), ...middle, createWriteStream(target)];
  await withIoError("write", target, pipeline(streams, signal ? { signal } : {}));
  return { digest: hashed.digest(), sizeBytes: hashed.sizeBytes };
}

/** Passes everything on; ends in an error beyond `maxBytes`. */
class HashedStream extends Transform {
  readonly #hash = createHash("sha256");
  readonly #maxBytes: number;
  #size = 0;

  constructor(maxBytes = Number.POSITIVE_INFINITY) {
    super();
    this.#maxBytes = maxBytes;
  }

  get sizeBytes(): number {
    return this.#size;
  }

  digest(): string {
    return this.#hash.copy().digest("hex");
  }

  override _transform(
    chunk: Buffer,
    _encoding: BufferEncoding,
    done: (error: Error | null, chunk?: Buffer) => void,
  ): void {
    this.#hash.update(chunk);
    this.#size += chunk.length;
    if (this.#size > this.#maxBytes) done(new Error(`it has more than ${this.#maxBytes} bytes`));
    else done(null, chunk);
  }
}

/** Where parts are packed, and what came of it is remembered. */
export function packedFolder(cacheFolder: string): string {
  return join(cacheFolder, "registry/packed");
}

function memoryPath(cacheFolder: string, { digest }: Part): string {
  return join(packedFolder(cacheFolder), `${digest}.json`);
}
