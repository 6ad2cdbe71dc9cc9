/**
 * Compiled Python modules of the host that stay valid in an image. Python compares the time and the size of
 * a source with those in its .pyc file, and times in images are 0: so that the time in the file has to be 0, too.
 *
 *   .pyc (PEP 552): 4 magic, 4 flags (0: by time), 4 time of the source in seconds, 4 its size
 */
import { readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path/posix";

const HEADER_BYTES = 16;

/**
 * @param path /FOLDER/__pycache__/NAME.cpython-311.pyc
 * @returns its bytes for an image; undefined when they may stay as they are; "stale" when this
 *   machine's Python would not use the file either
 */
export function timelessBytecode(path: string): Uint8Array | "stale" | undefined {
  const bytes = readFileSync(path);
  if (bytes.length < HEADER_BYTES) return "stale";
  if (bytes.readUInt32LE(4) !== 0) return undefined; // By the source's hash.
  const module = basename(path).replace(/\..*$/, ".py");
  const source = statSync(join(dirname(dirname(path)), module), { throwIfNoEntry: false });
  if (!source) return undefined;
  const isCurrent =
    bytes.readUInt32LE(8) === Math.floor(source.mtimeMs / 1000) % 2 ** 32 &&
    bytes.readUInt32LE(12) === source.size % 2 ** 32;
  if (!isCurrent) return "stale";
  bytes.writeUInt32LE(0, 8);
  return bytes;
}
