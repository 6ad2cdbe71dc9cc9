/**
 * The dynamic linker's cache, /etc/ld.so.cache: which file answers to which library name.
 * Layout: glibc sysdeps/generic/dl-cache.h, format "glibc-ld.so.cache1.1", numbers little-endian.
 *
 *   header (48 bytes)              entry (24 bytes)
 *   0  20 magic and version        0  4 flags: kind of ELF file
 *   20 4  number of entries        4  4 offset of the library name
 *   24 4  size of the strings      8  4 offset of the path
 *   28 1  byte order               16 8 hardware capabilities, 0 = any x86-64
 *
 * Offsets count from the start of the header; strings end in a zero byte.
 */
import { readFile } from "node:fs/promises";

/** Library name to absolute path. */
export type LdCache = ReadonlyMap<string, string>;

const LD_CACHE_PATH = "/etc/ld.so.cache";

/** Where glibc looks after the cache: Debian's multiarch folders, then those of other systems. */
export const DEFAULT_LIBRARY_DIRECTORIES: readonly string[] = [
  "/lib/x86_64-linux-gnu",
  "/usr/lib/x86_64-linux-gnu",
  "/lib64",
  "/usr/lib64",
  "/lib",
  "/usr/lib",
];

const MAGIC = "glibc-ld.so.cache1.1";
const HEADER_BYTES = 48;
const ENTRY_BYTES = 24;
/** FLAG_X8664_LIB64 | FLAG_ELF_LIBC6: a glibc library for 64-bit x86 programs. */
const FLAGS_X86_64 = 0x0303;
/** cache_file_new_flags_endian_big. */
const BIG_ENDIAN = 3;

/** Up to glibc 2.31 an old-format cache comes first: 16 bytes header, 12 bytes per entry. */
const OLD_MAGIC = "ld.so-1.7.0";
const OLD_HEADER_BYTES = 16;
const OLD_ENTRY_BYTES = 12;

/**
 * Entries for particular processors (glibc-hwcaps) are left out: an image runs on any x86-64.
 *
 * @returns undefined when the bytes are no usable cache; the dynamic linker then does without, too
 */
export function parseLdCache(bytes: Uint8Array): LdCache | undefined {
  const cache = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = startsWith(cache, MAGIC) ? 0 : offsetAfterOldFormat(cache);
  if (start === undefined || !startsWith(cache.subarray(start), MAGIC)) {
    return undefined;
  }
  const body = cache.subarray(start);
  if (body.length < HEADER_BYTES || body[28] === BIG_ENDIAN) return undefined;
  const count = body.readUInt32LE(20);
  if (HEADER_BYTES + count * ENTRY_BYTES > body.length) return undefined;

  const paths = new Map<string, string>();
  for (let index = 0; index < count; index += 1) {
    const at = HEADER_BYTES + index * ENTRY_BYTES;
    const isForAnyProcessor = body.readBigUInt64LE(at + 16) === 0n;
    if (body.readUInt32LE(at) !== FLAGS_X86_64 || !isForAnyProcessor) continue;
    const name = stringAt(body, body.readUInt32LE(at + 4));
    const path = stringAt(body, body.readUInt32LE(at + 8));
    if (name === undefined || path === undefined) return undefined;
    // ldconfig puts the entry that wins first.
    if (!paths.has(name)) paths.set(name, path);
  }
  return paths;
}

/** An absent, unreadable or unusable cache gives an empty one: not every system has it. */
export async function readLdCache(path: string = LD_CACHE_PATH): Promise<LdCache> {
  const bytes = await readFile(path).catch(() => undefined);
  return (bytes && parseLdCache(bytes)) ?? new Map();
}

function offsetAfterOldFormat(cache: Buffer): number | undefined {
  if (!startsWith(cache, OLD_MAGIC) || cache.length < OLD_HEADER_BYTES) return undefined;
  const end = OLD_HEADER_BYTES + cache.readUInt32LE(12) * OLD_ENTRY_BYTES;
  return Math.ceil(end / 8) * 8;
}

function stringAt(cache: Buffer, offset: number): string | undefined {
  const end = cache.indexOf(0, offset);
  return offset < cache.length && end >= 0 ? cache.toString("utf8", offset, end) : undefined;
}

function startsWith(bytes: Buffer, text: string): boolean {
  return bytes.toString("latin1", 0, text.length) === text;
}
