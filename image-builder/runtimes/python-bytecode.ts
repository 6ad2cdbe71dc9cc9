/**
 * Compiled modules of the host (.pyc, PEP 552), which name the time of their source: in an image, where no file
 * has a time, they would not count. Those that fit their source are made valid whatever its time.
 */
import { readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path/posix";

const HEADER_BYTES = 16;
/** Bit 0: by hash; bit 1, not set: the source is not asked. */
const UNCHECKED_HASH = 1;
const MAX_BYTES = 16 << 20;

/**
 * @returns "stale" when the source is another one or gone; undefined when the file can be taken as it is
 */
export function timelessBytecode(path: string): Buffer | "stale" | undefined {
  const bytes = statSync(path).size <= MAX_BYTES ? readFileSync(path) : undefined;
  if (!bytes || bytes.length < HEADER_BYTES) return "stale";
  if (bytes.readUInt32LE(4) !== 0) return undefined;
  const [, module = ""] = /^(.+?)\.[^.]+(?:\.opt-[^.]+)?\.pyc$/.exec(basename(path)) ?? [];
  const source = join(dirname(dirname(path)), `${module}.py`);
  const facts = statSync(source, { throwIfNoEntry: false });
  const isOf =
    facts !== undefined &&
    bytes.readUInt32LE(8) === Math.floor(facts.mtimeMs / 1000) % 2 ** 32 &&
    bytes.readUInt32LE(12) === facts.size % 2 ** 32;
  if (!isOf) return "stale";
  bytes.writeUInt32LE(UNCHECKED_HASH, 4);
  bytes.fill(0, 8, HEADER_BYTES);
  return bytes;
}
