/**
 * What earlier builds made: from the key of a part's sources to the blob. Only a shortcut: it is in the
 * cache, and a blob that is gone is made again.
 */
import { createHash, randomUUID } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { withIoError } from "../runtimes/io-error.ts";
import type { BlobStore } from "./blob-store.ts";
import type { Part } from "./image.ts";

export interface RememberedPart extends Part {
  readonly uncompressedBytes: number;
}

export class BuildMemory {
  readonly #folder: string;
  readonly #blobs: BlobStore;

  /** @param cacheFolder Folders.cache */
  constructor(cacheFolder: string, blobs: BlobStore) {
    this.#folder = join(cacheFolder, "builds");
    this.#blobs = blobs;
  }

  /** The part that the key stands for; made, and remembered, when there is none. */
  async recall(
    kind: string,
    key: string,
    make: () => Promise<RememberedPart>,
  ): Promise<{ readonly part: RememberedPart; readonly cached: boolean }> {
    const name = `${kind}-${createHash("sha256").update(key).digest("hex")}.json`;
    const path = join(this.#folder, name);
    const known = await this.#read(path);
    if (known && (await this.#blobs.has(known))) return { part: known, cached: true };
    const part = await make();
    const beside = join(this.#folder, `.new-${process.pid}-${randomUUID()}`);
    await withIoError("write", this.#folder, mkdir(this.#folder, { recursive: true }));
    await withIoError("write", beside, writeFile(beside, JSON.stringify(part)));
    await withIoError("write", path, rename(beside, path));
    return { part, cached: false };
  }

  async #read(path: string): Promise<RememberedPart | undefined> {
    try {
      return JSON.parse(await readFile(path, "utf8"));
    } catch {
      return undefined;
    }
  }
}
