/**
 * Unpacks a guest's archive into a folder of this host. The guest is not trusted: nothing is written
 * outside of the folder, whatever names and links the archive holds. No folder on the way to an entry
 * may be a symlink; set-user-id bits and owners are dropped; devices are left out. Files are written
 * beside and renamed.
 */
import { constants } from "node:fs";
import {
  chmod,
  link,
  lstat,
  mkdir,
  open,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type ExtractEvents, extract, type Header } from "tar-stream";
import { HostError } from "../errors.ts";
import { entryParts, hostileEntry } from "./tar-names.ts";

type Entry = ExtractEvents["entry"][1];

export interface UnpackRequest {
  /** Is there, and is a folder. */
  readonly folder: string;
  /** In place of the archive's first name: "web/a" becomes "NAME/a"; "" drops it. */
  readonly name: string;
  readonly signal: AbortSignal;
}

export interface UnpackReport {
  readonly entries: number;
  readonly sizeBytes: number;
  /** Entries that cannot be on this host: devices. */
  readonly skipped: readonly string[];
}

/** Permission bits that are kept: not set-user-id, set-group-id, sticky. */
const MODE_MASK = 0o777;

/**
 * @throws {HostError} WL_GUEST_PROTOCOL when the archive is hostile or cut short, WL_HOST_IO when this
 *   host refuses; or the signal's reason. Entries before it have been unpacked
 */
export async function unpackTar(tar: Readable, request: UnpackRequest): Promise<UnpackReport> {
  const { signal } = request;
  const unpacking = new Unpacking(request);
  const archive = extract();
  const feeding = pipeline(tar, archive, { signal });
  // The loop below fails with the same error.
  feeding.catch(() => {});
  try {
    for await (const entry of archive) await unpacking.add(entry);
    await feeding;
  } catch (error) {
    signal.throwIfAborted();
    throw describe(error, request.folder);
  }
  await unpacking.finish();
  return unpacking;
}

class Unpacking implements UnpackReport {
  entries = 0;
  sizeBytes = 0;
  readonly skipped: string[] = [];
  readonly #folder: string;
  readonly #name: string;
  readonly #signal: AbortSignal;
  /** Modes and times come last: a read-only folder could not be filled, and filling changes times. */
  readonly #folders: { readonly path: string; readonly header: Header }[] = [];

  constructor({ folder, name, signal }: UnpackRequest) {
    this.#folder = folder;
    this.#name = name;
    this.#signal = signal;
  }

  async add(entry: Entry): Promise<void> {
    const { header } = entry;
    const parts = this.#renamed(entryParts(header.name));
    const path = join(this.#folder, ...parts);
    await this.#makeWay(parts, header.name);
    this.entries += 1;
    switch (header.type) {
      case "directory":
        await this.#addFolder(path, header, parts.length === 0);
        break;
      case "file":
      case "contiguous-file":
        if (parts.length === 0) throw hostileEntry(header.name, "it would replace the folder");
        await this.#addFile(path, entry);
        return;
      case "symlink":
        await this.#replace(path, (beside) => symlink(header.linkname ?? "", beside));
        break;
      case "link":
        await this.#addHardLink(path, header);
        break;
      default:
        this.entries -= 1;
        this.skipped.push(header.name);
    }
    entry.resume();
  }

  async finish(): Promise<void> {
    for (const { path, header } of this.#folders.reverse()) {
      await chmod(path, (header.mode ?? 0o755) & MODE_MASK);
      if (header.mtime) await utimes(path, header.mtime, header.mtime);
    }
  }

  #renamed([_first, ...rest]: string[]): string[] {
    return this.#name === "" ? rest : [this.#name, ...rest];
  }

  /** Makes the folders above an entry. One that is there must be a folder, not a link to one. */
  async #makeWay(parts: readonly string[], entryName: string): Promise<void> {
    let path = this.#folder;
    for (const part of parts.slice(0, -1)) {
      path = join(path, part);
      const found = await lstat(path).catch(ignoreMissing);
      if (found === undefined) await mkdir(path);
      else if (!found.isDirectory()) throw hostileEntry(entryName, `"${part}" is not a folder`);
    }
  }

  async #addFolder(path: string, header: Header, isRoot: boolean): Promise<void> {
    const found = await lstat(path).catch(ignoreMissing);
    // A link to a folder is followed only where the user named it.
    if (found !== undefined && !found.isDirectory() && !isRoot) await rm(path);
    if (!found?.isDirectory() && !isRoot) await mkdir(path);
    if (!isRoot) this.#folders.push({ path, header });
  }

  async #addFile(path: string, entry: Entry): Promise<void> {
    const { header } = entry;
    await this.#replace(path, async (beside) => {
      // O_EXCL does not follow a link that somebody put there.
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
      {
        await using file = await open(beside, flags, 0o600);
        await writeFile(file, entry as AsyncIterable<Buffer>, { signal: this.#signal });
      }
      await chmod(beside, (header.mode ?? 0o644) & MODE_MASK);
      if (header.mtime) await utimes(beside, header.mtime, header.mtime);
    });
    this.sizeBytes += header.size ?? 0;
  }

  /** A further name of a file that this archive brought. */
  async #addHardLink(path: string, header: Header): Promise<void> {
    const parts = this.#renamed(entryParts(header.linkname ?? ""));
    await this.#makeWay(parts, header.name);
    const target = join(this.#folder, ...parts);
    const found = await lstat(target).catch(ignoreMissing);
    if (!found?.isFile()) throw hostileEntry(header.name, "it links to what is not there");
    await this.#replace(path, (beside) => link(target, beside));
  }

  async #replace(path: string, make: (beside: string) => Promise<unknown>): Promise<void> {
    const beside = join(dirname(path), `.windlass-cp-${process.pid}-${this.entries}`);
    try {
      await make(beside);
      await rename(beside, path);
    } catch (error) {
      await rm(beside, { force: true });
      throw error;
    }
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
  return undefined;
}

function describe(error: unknown, folder: string): unknown {
  if (!(error instanceof Error) || error.name === "HostError") return error;
  if ("syscall" in error) {
    const message = `Cannot copy into "${folder}": ${error.message}`;
    const next = "Check that the disk is not full and that the folder is writable";
    return new HostError("WL_HOST_IO", message, { next }, error);
  }
  const message = `The guest's archive is damaged: ${error.message}`;
  return new HostError("WL_GUEST_PROTOCOL", message, { next: "Try again" }, error);
}
