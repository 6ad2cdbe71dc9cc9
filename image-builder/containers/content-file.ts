/** The content of a layer's files, one after the other in one file of the build's cache. */
import { type FileHandle, open } from "node:fs/promises";
import { filledRuns, HOLE_UNIT_BYTES } from "../filesystems/filled-runs.ts";
import { quoted } from "../foreign-text.ts";
import type { FileSource } from "../rootfs/tree.ts";
import { withIoError } from "../runtimes/io-error.ts";
import { containerError } from "./container-error.ts";
import { type DiskAllowance, takeDisk } from "./disk-allowance.ts";
import type { TarMember } from "./tar-reader.ts";

/** What is gathered before it is written. There are two of these: one is filled while the other is written. */
const BUFFER_BYTES = 1024 * 1024;

/** How much of something there may be; shared by all layers of an image. */
export interface Allowance {
  leftBytes: number;
}

/** Both shared by all layers of an image. */
export interface ContentAllowances {
  /** Bytes of files, with their holes and zeros. */
  readonly files: Allowance;
  readonly disk: DiskAllowance;
}

export class ContentFile implements AsyncDisposable {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #allowances: ContentAllowances;
  #buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  #spare = Buffer.allocUnsafe(BUFFER_BYTES);
  /** The spare buffer on its way into the file. */
  #writing: Promise<void> = Promise.resolve();
  /** Where the buffer belongs. */
  #bufferAt = 0;
  #buffered = 0;
  #sizeBytes = 0;
  /** Up to where its room on the disk is taken. */
  #takenTo = 0;

  private constructor(path: string, file: FileHandle, allowances: ContentAllowances) {
    this.path = path;
    this.#file = file;
    this.#allowances = allowances;
  }

  /** @param path of a file that is not there yet */
  static async create(path: string, allowances: ContentAllowances): Promise<ContentFile> {
    const file = await withIoError("write", path, open(path, "wx", 0o600));
    return new ContentFile(path, file, allowances);
  }

  /**
   * Takes a member's content; holes stay holes, and zeros become some.
   *
   * @throws {ImageError} WL_IMAGE_CONTAINER_INVALID when the files are larger than allowed, WL_IMAGE_IO when
   *   the disk has no room for them
   */
  async add(member: Pick<TarMember, "name" | "sizeBytes" | "content">): Promise<FileSource> {
    const { sizeBytes } = member;
    if (sizeBytes === 0) return { kind: "bytes", bytes: new Uint8Array(0) };
    const { files } = this.#allowances;
    files.leftBytes -= sizeBytes;
    if (files.leftBytes < 0) {
      throw containerError(
        `${quoted(member.name)} has ${sizeBytes} bytes; the files of the image are larger than Windlass unpacks`,
        { next: "Build a smaller image" },
      );
    }
    const offsetBytes = this.#sizeBytes;
    this.#sizeBytes += sizeBytes;
    for await (const piece of member.content()) {
      await this.#write(offsetBytes + piece.offsetBytes, piece.bytes);
    }
    return { kind: "range", path: this.path, offsetBytes, sizeBytes };
  }

  /** Nothing is added any more; the content can be read. */
  async finish(): Promise<void> {
    await this.#flush();
    await this.#writing;
    await withIoError("write", this.path, this.#file.truncate(this.#sizeBytes));
    await this.#file.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing.catch(() => {}); // Whoever gives the file up has its own error.
    await this.#file.close();
  }

  async #write(at: number, bytes: Uint8Array): Promise<void> {
    if (at !== this.#bufferAt + this.#buffered || this.#buffered + bytes.length > BUFFER_BYTES) {
      await this.#flush();
      this.#bufferAt = at;
    }
    if (bytes.length >= BUFFER_BYTES) {
      await this.#writeAll(at, bytes);
      this.#bufferAt = at + bytes.length;
      return;
    }
    this.#buffer.set(bytes, this.#buffered);
    this.#buffered += bytes.length;
  }

  async #flush(): Promise<void> {
    await this.#writing;
    const full = this.#buffer;
    this.#writing = this.#writeAll(this.#bufferAt, full.subarray(0, this.#buffered));
    this.#writing.catch(() => {}); // Thrown by the next flush.
    this.#buffer = this.#spare;
    this.#spare = full;
    this.#bufferAt += this.#buffered;
    this.#buffered = 0;
  }

  async #writeAll(at: number, bytes: Uint8Array): Promise<void> {
    for (const run of filledRuns(bytes)) {
      this.#takeDisk(at + run.offsetBytes, run.bytes.length);
      await this.#writeRun(at + run.offsetBytes, run.bytes);
    }
  }

  /** In whole units, each once: one byte in a hole takes as much as the image does not leave out around it. */
  #takeDisk(at: number, sizeBytes: number): void {
    const start = Math.max(this.#takenTo, Math.floor(at / HOLE_UNIT_BYTES) * HOLE_UNIT_BYTES);
    const end = Math.ceil((at + sizeBytes) / HOLE_UNIT_BYTES) * HOLE_UNIT_BYTES;
    if (end <= start) return;
    this.#takenTo = end;
    takeDisk(this.#allowances.disk, end - start);
  }

  async #writeRun(at: number, bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const left = bytes.length - done;
      const work = this.#file.write(bytes, done, left, at + done);
      done += (await withIoError("write", this.path, work)).bytesWritten;
    }
  }
}
