/**
 * The file an image is written to: grows block by block beside its target and takes the target's
 * name only when it is complete and on the disk.
 */
import { createHash, randomBytes } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { ioError } from "../runtimes/io-error.ts";
import { filledRuns } from "./filled-runs.ts";

const BUFFER_BYTES = 1024 * 1024;

export class ImageFile implements AsyncDisposable {
  readonly #target: string;
  readonly #partial: string;
  readonly #handle: FileHandle;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #buffered = 0;
  #flushedBytes = 0;
  #state: "open" | "committed" | "closed" = "open";

  private constructor(target: string, partial: string, handle: FileHandle) {
    this.#target = target;
    this.#partial = partial;
    this.#handle = handle;
  }

  /** @throws {ImageError} WL_IMAGE_IO, like every method below */
  static async create(target: string): Promise<ImageFile> {
    const partial = `${target}.${randomBytes(6).toString("hex")}.partial`;
    const handle = await open(partial, "wx+", 0o644).catch(refused(target));
    return new ImageFile(target, partial, handle);
  }

  /** Bytes appended so far. */
  get sizeBytes(): number {
    return this.#flushedBytes + this.#buffered;
  }

  /** Zeros become holes where they are many. */
  async append(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      if (this.#buffered === 0 && bytes.length - at >= BUFFER_BYTES) {
        // Large pieces go out as they are.
        await this.#writeFilled(bytes.subarray(at));
        this.#flushedBytes += bytes.length - at;
        return;
      }
      const piece = bytes.subarray(at, at + BUFFER_BYTES - this.#buffered);
      this.#buffer.set(piece, this.#buffered);
      this.#buffered += piece.length;
      at += piece.length;
      if (this.#buffered === BUFFER_BYTES) await this.#flush();
    }
  }

  /** Appends zeros up to a multiple of `unitBytes`. */
  async pad(unitBytes: number): Promise<void> {
    const rest = this.sizeBytes % unitBytes;
    if (rest > 0) await this.append(new Uint8Array(unitBytes - rest));
  }

  /** Replaces bytes that were appended before. */
  async rewrite(offsetBytes: number, bytes: Uint8Array): Promise<void> {
    await this.#flush();
    await this.#write(bytes, offsetBytes);
  }

  /** Puts the file in its target's place. @returns the SHA-256 of the content, in hex */
  async commit(): Promise<string> {
    await this.#flush();
    // A hole at the end is no part of the file before.
    await this.#handle.truncate(this.#flushedBytes).catch(refused(this.#target));
    // The disk takes it in while it is read once more.
    const synced = this.#handle.datasync();
    const [digest] = await Promise.all([this.#digest(), synced]).catch(async (cause) => {
      await synced.catch(() => {}); // The handle is closed next.
      return refused(this.#target)(cause);
    });
    await this.#handle.close();
    this.#state = "closed";
    await rename(this.#partial, this.#target).catch(refused(this.#target));
    this.#state = "committed";
    return digest;
  }

  /** Without a commit before it, nothing of the image is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === "committed") return;
    if (this.#state === "open") await this.#handle.close();
    this.#state = "closed";
    await rm(this.#partial, { force: true });
  }

  async #digest(): Promise<string> {
    const hash = createHash("sha256");
    for (let at = 0; at < this.#flushedBytes; ) {
      const { bytesRead } = await this.#handle.read(this.#buffer, 0, BUFFER_BYTES, at);
      if (bytesRead === 0) throw new Error("the file became shorter");
      hash.update(this.#buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
    return hash.digest("hex");
  }

  async #flush(): Promise<void> {
    await this.#writeFilled(this.#buffer.subarray(0, this.#buffered));
    this.#flushedBytes += this.#buffered;
    this.#buffered = 0;
  }

  /** At the end of what was written: nothing is there yet. */
  async #writeFilled(bytes: Uint8Array): Promise<void> {
    for (const run of filledRuns(bytes)) {
      await this.#write(run.bytes, this.#flushedBytes + run.offsetBytes);
    }
  }

  async #write(bytes: Uint8Array, offsetBytes: number): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#handle
        .write(bytes, at, bytes.length - at, offsetBytes + at)
        .catch(refused(this.#target));
      at += bytesWritten;
    }
  }
}

function refused(target: string): (cause: unknown) => never {
  return (cause) => {
    throw ioError("write", target, cause);
  };
}
