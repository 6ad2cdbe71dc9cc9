/**
 * Content-addressed files: `blobs/sha256/HEX`. A blob is written beside and renamed, so one that is
 * there is whole; two writers of the same content both succeed.
 */
import { createHash } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ImageError } from "../errors.ts";
import { withIoError } from "../runtimes/io-error.ts";
import type { Part } from "./image.ts";
import { pathBeside, removeRemains } from "./replace-file.ts";

export class BlobStore {
  readonly #folder: string;

  /** @param dataFolder Folders.data */
  constructor(dataFolder: string) {
    this.#folder = join(dataFolder, "blobs/sha256");
  }

  path(digest: string): string {
    if (!/^[0-9a-f]{64}$/.test(digest)) throw new RangeError(`"${digest}" is not a SHA-256 digest`);
    return join(this.#folder, digest);
  }

  async has(part: Part): Promise<boolean> {
    const found = await stat(this.path(part.digest)).catch(() => undefined);
    return found?.size === part.sizeBytes;
  }

  async put(bytes: Uint8Array): Promise<Part> {
    const digest = createHash("sha256").update(bytes).digest("hex");
    const part = { digest, sizeBytes: bytes.length };
    if (await this.has(part)) return part;
    await this.write(async (path) => {
      await withIoError("write", path, writeFile(path, bytes));
      return part;
    });
    return part;
  }

  /**
   * Has a writer make a file and takes it in.
   *
   * @param writer writes the whole file to the path it is given and says what it wrote
   */
  async write<T extends Part>(writer: (path: string) => Promise<T>): Promise<T> {
    await withIoError("write", this.#folder, mkdir(this.#folder, { recursive: true }));
    const beside = pathBeside(join(this.#folder, "blob"));
    try {
      const part = await writer(beside);
      await withIoError("write", beside, syncFile(beside));
      await withIoError("write", beside, rename(beside, this.path(part.digest)));
      return part;
    } catch (error) {
      await rm(beside, { force: true });
      throw error;
    }
  }

  /** @throws {ImageError} WL_IMAGE_STORE when the blob is missing or not what it should be */
  async read(part: Pick<Part, "digest">): Promise<Buffer> {
    const path = this.path(part.digest);
    const bytes = await readFile(path).catch((cause) => {
      throw damaged(part.digest, `"${path}" cannot be read`, cause);
    });
    const digest = createHash("sha256").update(bytes).digest("hex");
    if (digest !== part.digest) throw damaged(part.digest, `"${path}" has other content`);
    return bytes;
  }

  /** Digests of all blobs. Files that a killed writer left behind are not among them. */
  async list(): Promise<string[]> {
    const names = await readdir(this.#folder).catch(() => []);
    return names.filter((name) => /^[0-9a-f]{64}$/.test(name));
  }

  /** @returns the bytes that were freed */
  async remove(digest: string): Promise<number> {
    const path = this.path(digest);
    const found = await stat(path).catch(() => undefined);
    await rm(path, { force: true });
    return found?.size ?? 0;
  }

  /** Removes what killed writers left; the caller holds the store's exclusive lock. */
  async removeRemains(): Promise<void> {
    await removeRemains(this.#folder);
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

function damaged(digest: string, why: string, cause?: unknown): ImageError {
  return new ImageError(
    "WL_IMAGE_STORE",
    `Cannot read part ${digest.slice(0, 12)} of the image store: ${why}`,
    { next: "Build the image again" },
    cause,
  );
}
