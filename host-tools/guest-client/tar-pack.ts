/** A file or folder of this host as a tar stream: modes, times and links kept, owners left out. */
import type { Stats } from "node:fs";
import { createReadStream } from "node:fs";
import { lstat, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Pack, pack } from "tar-stream";

/** Latest time that tar-stream writes whole: 32 bits with a sign (2038-01-19). */
const LATEST_MS = 0x7fffffff * 1000;

export interface PackRequest {
  readonly path: string;
  /** The name of the first entry; "" for what is in the folder only. */
  readonly name: string;
  readonly signal: AbortSignal;
  /** Told of what has no place in an archive: sockets, devices. */
  readonly onSkip: (path: string) => void;
}

export function packTar(request: PackRequest): Readable {
  const archive = pack();
  // Through `from`, an abort ends the archive with its reason.
  const body = Readable.from(archive, { objectMode: false, signal: request.signal });
  addTree(archive, request, request.path, request.name).then(
    () => archive.finalize(),
    (error) => archive.destroy(error),
  );
  return body;
}

async function addTree(
  archive: Pack,
  request: PackRequest,
  path: string,
  name: string,
): Promise<void> {
  request.signal.throwIfAborted();
  const found = await lstat(path);
  const header = { name, mode: found.mode & 0o7777, mtime: timeOf(found) };
  if (found.isDirectory()) {
    if (name !== "") await addEntry(archive, { ...header, name: `${name}/`, type: "directory" });
    for (const child of (await readdir(path)).sort()) {
      await addTree(archive, request, join(path, child), name === "" ? child : `${name}/${child}`);
    }
  } else if (found.isSymbolicLink()) {
    await addEntry(archive, { ...header, type: "symlink", linkname: await readlink(path) });
  } else if (found.isFile()) {
    const { size } = found;
    const sink = archive.entry({ ...header, type: "file", size });
    // Bytes that a growing file gained since it was looked at are for the next copy.
    const source = size === 0 ? Readable.from([]) : createReadStream(path, { end: size - 1 });
    await pipeline(source, sink, { signal: request.signal });
  } else {
    request.onSkip(path);
  }
}

type EntryHeader = Parameters<Pack["entry"]>[0];

function addEntry(archive: Pack, header: EntryHeader): Promise<void> {
  return new Promise((resolve, reject) => {
    archive.entry(header, (error) => (error ? reject(error) : resolve()));
  });
}

function timeOf({ mtimeMs }: Stats): Date {
  return new Date(Math.min(Math.max(0, mtimeMs), LATEST_MS));
}
