/**
 * What earlier builds made: from the key of a part's sources to the blob. Only a shortcut: it is in the
 * cache, and a blob that is gone is made again.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { BlobStore } from "./blob-store.ts";
import type { Part } from "./image.ts";
import { replaceFile } from "./replace-file.ts";

export interface RememberedPart extends Part {
  readonly uncompressedBytes: number;
  /** What whoever makes the same again should know again; each one sentence without a full stop. */
  readonly warnings?: readonly string[] | undefined;
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
    await replaceFile(path, JSON.stringify(part));
    return { part, cached: false };
  }

  async #read(path: string): Promise<RememberedPart | undefined> {
    try {
      const value: unknown = JSON.parse(await readFile(path, "utf8"));
      return isRememberedPart(value) ? value : undefined;
    } catch {
      return undefined;
    }
  }
}

function isRememberedPart(value: unknown): value is RememberedPart {
  if (typeof value !== "object" || value === null) return false;
  const { digest, sizeBytes, uncompressedBytes, warnings } = value as Record<string, unknown>;
  return (
    typeof digest === "string" &&
    /^[0-9a-f]{64}$/.test(digest) &&
    Number.isSafeInteger(sizeBytes) &&
    Number.isSafeInteger(uncompressedBytes) &&
    (warnings === undefined || isTexts(warnings))
  );
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}
