/**
 * Unpacks a tar stream into a folder. Nothing is written outside of the folder: names may be neither
 * absolute nor hold "..", hard links must stay inside, and no entry is written through a symlink that
 * leads out. Symlinks themselves are kept as they are. Files are written beside and renamed.
 */
import { randomBytes } from "node:crypto";
import { createWriteStream } from "node:fs";
import {
  chmod,
  link,
  lstat,
  mkdir,
  realpath,
  rename,
  rm,
  statfs,
  symlink,
  utimes,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type ExtractEvents, extract, type Header } from "tar-stream";
import type { ArchiveReceipt } from "../api/archive.ts";
import { AgentError } from "./agent-error.ts";
import type { Agent } from "./operation.ts";
import { Procfs } from "./procfs.ts";

type Entry = ExtractEvents["entry"][1];

/** Memory that an upload into a file system in memory leaves to the program and the agent. */
const MEMORY_RESERVE_BYTES = 16 * 1024 * 1024;
/** TMPFS_MAGIC, RAMFS_MAGIC and, its upper layer being in memory here, OVERLAYFS_SUPER_MAGIC of linux/magic.h. */
const IN_MEMORY: readonly number[] = [0x01021994, 0x858458f6, 0x794c7630];
/** Most entries of one archive. */
const ENTRIES_MAX = 1_000_000;

/** @throws {AgentError} 400 on a name or link that leads out, 413 when there is no room */
export async function unpackArchive(
  agent: Agent,
  folder: string,
  body: AsyncIterable<Buffer>,
  signal: AbortSignal,
): Promise<ArchiveReceipt> {
  const root = await realpath(folder);
  if (!(await lstat(root)).isDirectory()) {
    throw new AgentError("WL_AGENT_BAD_REQUEST", `"${folder}" is not a folder`);
  }
  const unpacking = new Unpacking(root, await roomBytes(agent, root));
  const tar = extract();
  const feeding = pipeline(body, tar as unknown as NodeJS.WritableStream, { signal });
  // The loop below fails with the same error; this only keeps it from being called unhandled.
  feeding.catch(() => {});
  try {
    for await (const entry of tar) await unpacking.add(entry);
    await feeding;
  } catch (error) {
    // What the system refuses has a code; tar-stream's own complaints have none.
    if (error instanceof AgentError || (error as NodeJS.ErrnoException).code) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new AgentError("WL_AGENT_BAD_REQUEST", `The body is not a whole tar: ${why}`, error);
  }
  await unpacking.finish();
  return { entries: unpacking.entries, sizeBytes: unpacking.sizeBytes };
}

/** What the folder's file system can still take. */
async function roomBytes(agent: Agent, folder: string): Promise<number> {
  const { type, blocks, bavail, bsize } = await statfs(folder);
  // A file system in memory may be without a size of its own.
  const roomBytes = blocks === 0 ? Infinity : bavail * bsize;
  if (!IN_MEMORY.includes(type)) return roomBytes;
  const { availableBytes } = new Procfs(agent.system.procRoot).memory();
  return Math.max(0, Math.min(roomBytes, availableBytes - MEMORY_RESERVE_BYTES));
}

class Unpacking {
  entries = 0;
  sizeBytes = 0;
  readonly #root: string;
  readonly #roomBytes: number;
  /** Two archives may be unpacked into one folder at once. */
  readonly #name = randomBytes(6).toString("hex");
  /** Folders get their mode and time last: a read-only one could not be filled, and filling touches. */
  readonly #folders: { path: string; header: Header }[] = [];

  constructor(root: string, roomBytes: number) {
    this.#root = root;
    this.#roomBytes = roomBytes;
  }

  async add(entry: Entry): Promise<void> {
    const { header } = entry;
    this.entries += 1;
    if (this.entries > ENTRIES_MAX) {
      throw new AgentError("WL_AGENT_TOO_LARGE", `More than ${ENTRIES_MAX} entries`);
    }
    const parts = nameParts(header.name);
    const path = join(this.#root, ...parts);
    if (parts.length > 0) await this.#requireInside(path, header.name);
    switch (header.type) {
      case "directory":
        await this.#addFolder(path, header);
        break;
      case "file":
      case "contiguous-file":
        return this.#addFile(path, entry);
      case "symlink":
        await this.#replace(path, (beside) => symlink(linkTarget(header), beside));
        break;
      case "link": {
        const target = join(this.#root, ...nameParts(linkTarget(header)));
        await this.#requireInside(target, linkTarget(header));
        await this.#replace(path, (beside) => link(target, beside));
        break;
      }
      default:
        throw refused(header.name, `a ${header.type} cannot be made here`);
    }
    entry.resume();
  }

  async finish(): Promise<void> {
    for (const { path, header } of this.#folders.reverse()) await applyHeader(path, header);
  }

  /** The deepest existing folder on the way must be inside, links followed. */
  async #requireInside(path: string, name: string): Promise<void> {
    let folder = dirname(path);
    while (true) {
      const real = await realpath(folder).catch(() => undefined);
      if (real !== undefined) {
        if (real === this.#root || real.startsWith(this.#root === "/" ? "/" : `${this.#root}/`)) {
          return;
        }
        throw refused(name, "a link on its way leads out of the folder");
      }
      // A dangling link may come to lead anywhere.
      if (await lstat(folder).catch(() => undefined)) {
        throw refused(name, "a link on its way leads nowhere");
      }
      folder = dirname(folder);
    }
  }

  async #addFolder(path: string, header: Header): Promise<void> {
    // An existing link to a folder is replaced, so that its mode is not put on what it names.
    if ((await lstat(path).catch(() => undefined))?.isSymbolicLink()) await rm(path);
    await mkdir(path, { recursive: true });
    // The folder unpacked into keeps its own mode.
    if (path !== this.#root) this.#folders.push({ path, header });
  }

  async #addFile(path: string, entry: Entry): Promise<void> {
    const { header } = entry;
    if (this.sizeBytes + (header.size ?? 0) > this.#roomBytes) {
      throw new AgentError(
        "WL_AGENT_TOO_LARGE",
        `"${header.name}" does not fit: the guest has room for ${this.#roomBytes} bytes`,
      );
    }
    await this.#replace(path, async (beside) => {
      await pipeline(Readable.from(entry), createWriteStream(beside, { flags: "wx" }));
      await applyHeader(beside, header);
    });
    this.sizeBytes += header.size ?? 0;
  }

  async #replace(path: string, make: (beside: string) => Promise<unknown>): Promise<void> {
    if (path === this.#root) throw refused(".", "it would replace the folder itself");
    await mkdir(dirname(path), { recursive: true });
    const beside = join(dirname(path), `.windlass-unpack-${this.#name}-${this.entries}`);
    try {
      await make(beside);
      await rename(beside, path);
    } catch (error) {
      await rm(beside, { force: true });
      throw error;
    }
  }
}

async function applyHeader(path: string, header: Header): Promise<void> {
  if (header.mode !== undefined) await chmod(path, header.mode & 0o7777);
  if (header.mtime) await utimes(path, header.mtime, header.mtime);
}

/** @throws {AgentError} 400 when the name is absolute, holds "..", or a NUL */
function nameParts(name: string): string[] {
  if (name.startsWith("/")) throw refused(name, "the name is absolute");
  if (name.includes("\0")) throw refused(name, "the name holds a NUL");
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw refused(name, 'the name holds ".."');
  return parts;
}

function linkTarget(header: Header): string {
  if (header.linkname) return header.linkname;
  throw refused(header.name, "the link names no target");
}

function refused(name: string, why: string): AgentError {
  return new AgentError(
    "WL_AGENT_BAD_REQUEST",
    `Entry "${name}" is refused: ${why}; entries before it have been unpacked`,
  );
}
