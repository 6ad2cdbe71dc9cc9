/**
 * A file or folder as a tar stream. The first entry is the thing itself under its own name; links stay
 * links; modes, owners and times are kept. Sockets have no place in a tar and are left out.
 */
import type { Stats } from "node:fs";
import { lstat, open, readdir, readlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { Readable, type Writable } from "node:stream";
import { type Header, type Pack, pack } from "tar-stream";

type EntryHeader = Partial<Header> & Pick<Header, "name">;

const CHUNK_BYTES = 64 * 1024;
/** Latest time a ustar header holds in tar-stream: it cuts to 32 bits with a sign (2038-01-19). */
const LATEST_MS = 0x7fffffff * 1000;

/** @throws ENOENT and its like before the first byte; later failures end the stream with an error */
export async function packArchive(path: string, signal: AbortSignal): Promise<Readable> {
  await lstat(path);
  const archive = pack();
  const body = Readable.from(archive, { objectMode: false, signal });
  // When the caller goes away everything fails and nobody listens: that must not be an uncaught error.
  for (const stream of [archive, body]) stream.on("error", () => undefined);
  addTree(archive, path, path === "/" ? "." : basename(path), signal).then(
    () => archive.finalize(),
    (error) => archive.destroy(error),
  );
  return body;
}

async function addTree(
  archive: Pack,
  path: string,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const found = await lstat(path).catch(() => undefined);
  // It went away between the listing of its folder and now.
  if (found === undefined) return;
  const type = entryType(found);
  if (type === undefined) return;
  const header: EntryHeader = {
    name: type === "directory" ? `${name}/` : name,
    type,
    mode: found.mode & 0o7777,
    uid: found.uid,
    gid: found.gid,
    mtime: new Date(Math.min(Math.max(0, found.mtimeMs), LATEST_MS)),
  };
  switch (type) {
    case "symlink":
      return addEntry(archive, { ...header, linkname: await readlink(path) });
    case "file":
      return addFile(archive, { ...header, size: found.size }, path, signal);
    case "directory":
      await addEntry(archive, header);
      for (const child of (await readdir(path)).sort()) {
        await addTree(archive, join(path, child), `${name}/${child}`, signal);
      }
      return;
    default:
      return addEntry(archive, {
        ...header,
        devmajor: deviceMajor(found.rdev),
        devminor: deviceMinor(found.rdev),
      });
  }
}

function entryType(
  found: Stats,
): "file" | "directory" | "symlink" | "fifo" | "character-device" | "block-device" | undefined {
  if (found.isFile()) return "file";
  if (found.isDirectory()) return "directory";
  if (found.isSymbolicLink()) return "symlink";
  if (found.isFIFO()) return "fifo";
  if (found.isCharacterDevice()) return "character-device";
  return found.isBlockDevice() ? "block-device" : undefined;
}

/** An entry without content. */
function addEntry(archive: Pack, header: EntryHeader): Promise<void> {
  return new Promise((resolve, reject) => {
    archive.entry(header, (error) => (error ? reject(error) : resolve()));
  });
}

/** Exactly `size` bytes: a file that shrinks meanwhile is filled with zeros, as GNU tar does. */
async function addFile(
  archive: Pack,
  header: EntryHeader & { size: number },
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const file = await open(path, "r");
  try {
    const done = new Promise<void>((resolve, reject) => {
      const sink = archive.entry(header, (error) => (error ? reject(error) : resolve()));
      sink.on("error", reject);
      writeContent(sink as unknown as Writable, header.size, signal, async (buffer, position) => {
        const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
        return bytesRead;
      }).catch(reject);
    });
    await done;
  } finally {
    await file.close();
  }
}

async function writeContent(
  sink: Writable,
  sizeBytes: number,
  signal: AbortSignal,
  read: (buffer: Buffer, position: number) => Promise<number>,
): Promise<void> {
  let position = 0;
  while (position < sizeBytes) {
    signal.throwIfAborted();
    const buffer = Buffer.alloc(Math.min(CHUNK_BYTES, sizeBytes - position));
    const bytesRead = await read(buffer, position);
    const chunk = bytesRead === 0 ? buffer : buffer.subarray(0, bytesRead);
    position += chunk.length;
    if (!sink.write(chunk)) await drained(sink, signal);
  }
  sink.end();
}

function drained(sink: Writable, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      signal.removeEventListener("abort", onAbort);
      sink.off("drain", onDrain);
      sink.off("close", onClose);
      settle();
    };
    const onAbort = (): void => finish(() => reject(signal.reason));
    const onClose = (): void => finish(() => reject(new Error("the archive was closed")));
    const onDrain = (): void => finish(resolve);
    signal.addEventListener("abort", onAbort, { once: true });
    sink.on("drain", onDrain);
    sink.on("close", onClose);
  });
}

/** A device number of Linux: 12 bits major, 20 bits minor, in the order of glibc's makedev(3). */
function deviceMajor(device: number): number {
  return Number((BigInt(device) >> 8n) & 0xfffn);
}

function deviceMinor(device: number): number {
  const bits = BigInt(device);
  return Number((bits & 0xffn) | ((bits >> 12n) & 0xfff00n));
}
