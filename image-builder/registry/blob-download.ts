/**
 * Blobs of a registry, into files named by their digest. What has arrived stays beside (`HEX.partial`) when a
 * transfer breaks off, and the next one goes on behind it (`Range`). Two processes never write the same file.
 */
import { createHash, type Hash } from "node:crypto";
import { type FileHandle, mkdir, open, rename, rm, stat } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { dirname } from "node:path";
import { ImageError } from "../errors.ts";
import { withIoError } from "../runtimes/io-error.ts";
import { lockFile } from "../store/file-lock.ts";
import type { Descriptor } from "./manifest.ts";
import type { RegistryClient } from "./registry-client.ts";
import { connectionError, registryError } from "./registry-error.ts";

export interface BlobDownload {
  readonly client: RegistryClient;
  readonly repository: string;
  readonly blob: Pick<Descriptor, "digest" | "size">;
  /** Where the whole blob is to be. */
  readonly path: string;
  readonly onBytes?: ((count: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Of what has come of a blob that is not whole. */
export const PARTIAL_SUFFIX = ".partial";
/** Attempts that bring nothing new, one after the other. */
const IDLE_ATTEMPTS_MAX = 3;
/** Written at once; the network brings 64 KiB and less at a time. */
const WRITE_BYTES = 1024 * 1024;

/**
 * @returns whether something had to be fetched
 * @throws {ImageError} WL_IMAGE_REGISTRY, WL_IMAGE_IO; or the signal's reason
 */
export async function downloadBlob(download: BlobDownload): Promise<boolean> {
  const { blob, path, signal } = download;
  if (await hasSize(path, blob.size)) return false;
  const partial = `${path}${PARTIAL_SUFFIX}`;
  await withIoError("write", dirname(path), mkdir(dirname(path), { recursive: true }));
  // The partial file is its own lock: whoever waited for it finds the blob whole.
  await using _lock = await lockFile(partial, { signal });
  if (await hasSize(path, blob.size)) {
    await rm(partial, { force: true });
    return false;
  }
  try {
    await fetchAll(download, partial);
    await withIoError("write", path, rename(partial, path));
    return true;
  } catch (error) {
    if (error instanceof WrongContent) {
      await rm(partial, { force: true });
      throw error.report;
    }
    throw error;
  }
}

async function fetchAll(download: BlobDownload, partial: string): Promise<void> {
  const { blob, client } = download;
  const file = await withIoError("write", partial, open(partial, "r+"));
  try {
    const received = await Received.of(file, blob.size);
    for (let idle = 0; received.sizeBytes < blob.size; ) {
      const before = received.sizeBytes;
      try {
        await fetchRest(download, received);
      } catch (error) {
        download.signal?.throwIfAborted();
        if (!(error instanceof Interruption)) throw error;
        idle = received.sizeBytes > before ? 0 : idle + 1;
        const what = transferOf(blob);
        if (idle === IDLE_ATTEMPTS_MAX) throw connectionError(what, client.host, error.cause);
      }
    }
    if (received.digest() !== blob.digest) {
      throw new WrongContent(download, "its content is not what its digest says");
    }
    await withIoError("write", partial, file.datasync());
  } finally {
    await file.close();
  }
}

/** The connection ended before its time: what has come is good, as far as one can tell. */
class Interruption extends Error {}

/** What has come cannot be a part of the blob. */
class WrongContent extends Error {
  readonly report: ImageError;

  constructor({ client, blob }: BlobDownload, why: string) {
    super(why);
    const message = `Cannot ${transferOf(blob)}: registry "${client.host}": ${why}`;
    this.report = registryError(message, "Try again, or tell the registry's operator");
  }
}

async function fetchRest(download: BlobDownload, received: Received): Promise<void> {
  const { client, repository, blob } = download;
  const from = received.sizeBytes;
  const reply = await client.request({
    ...{ method: "GET", target: `${repository}/blobs/${blob.digest}`, what: transferOf(blob) },
    headers: from > 0 ? { range: `bytes=${from}-` } : {},
    expected: from > 0 ? [200, 206, 416] : [200],
  });
  try {
    // A registry that cannot go on begins again.
    if (reply.statusCode !== 206) await received.clear();
    else if (rangeStart(reply) !== from) throw new WrongContent(download, "it sends another range");
    if (reply.statusCode === 416) throw new WrongContent(download, "it has less than it said");
    const announced = Number(reply.headers["content-length"] ?? blob.size - received.sizeBytes);
    if (received.sizeBytes + announced !== blob.size) {
      throw new WrongContent(
        download,
        `it sends ${received.sizeBytes + announced} bytes in place of ${blob.size}`,
      );
    }
    await receiveBody(download, received, reply);
  } finally {
    reply.destroy();
  }
}

async function receiveBody(
  download: BlobDownload,
  received: Received,
  reply: IncomingMessage,
): Promise<void> {
  const { blob, onBytes } = download;
  try {
    for await (const chunk of reply as AsyncIterable<Buffer>) {
      if (received.sizeBytes + chunk.length > blob.size) {
        throw new WrongContent(download, `it sends more than ${blob.size} bytes`);
      }
      await received.add(chunk);
      onBytes?.(chunk.length);
    }
  } catch (cause) {
    if (cause instanceof WrongContent || cause instanceof ImageError) throw cause;
    throw new Interruption("interrupted", { cause });
  } finally {
    await received.flush();
  }
  // Without a length, an early end of the connection looks like the end of the body.
  if (received.sizeBytes < blob.size) {
    throw new Interruption("interrupted", {
      cause: new Error(`it sends ${received.sizeBytes} bytes in place of ${blob.size}`),
    });
  }
}

/** Where a 206 begins: "bytes 100-199/200". */
function rangeStart(reply: IncomingMessage): number {
  return Number(/^bytes (\d+)-/.exec(reply.headers["content-range"] ?? "")?.[1] ?? Number.NaN);
}

/** The begin of a blob, in a file, with its hash. */
class Received {
  readonly #file: FileHandle;
  #hash: Hash = createHash("sha256");
  #size = 0;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** What an earlier transfer left in the file; a longer one is not of this blob. */
  static async of(file: FileHandle, sizeMax: number): Promise<Received> {
    const received = new Received(file);
    const { size } = await file.stat();
    if (size > sizeMax) await received.clear();
    else if (size > 0) {
      for await (const chunk of file.createReadStream({ start: 0, autoClose: false })) {
        received.#hash.update(chunk);
        received.#size += chunk.length;
      }
    }
    return received;
  }

  get sizeBytes(): number {
    return this.#size;
  }

  digest(): string {
    return `sha256:${this.#hash.copy().digest("hex")}`;
  }

  async add(chunk: Buffer): Promise<void> {
    this.#hash.update(chunk);
    this.#size += chunk.length;
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    if (this.#waitingBytes >= WRITE_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#waitingBytes === 0) return;
    const chunks = this.#waiting;
    const at = this.#size - this.#waitingBytes;
    this.#waiting = [];
    this.#waitingBytes = 0;
    await withIoError(
      "write",
      "a downloaded blob",
      this.#file.writev(chunks, at).then(() => {}),
    );
  }

  async clear(): Promise<void> {
    this.#hash = createHash("sha256");
    this.#size = 0;
    await withIoError("write", "a downloaded blob", this.#file.truncate(0));
  }
}

async function hasSize(path: string, sizeBytes: number): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() === true && found.size === sizeBytes;
}

function transferOf({ digest }: Pick<Descriptor, "digest">): string {
  return `download blob ${digest.slice(7, 19)}`;
}
