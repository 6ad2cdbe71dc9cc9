/**
 * cpio archives in the "newc" form, which Linux unpacks as its first root.
 * Source: Linux Documentation/driver-api/early-userspace/buffer-format.rst.
 *
 * Every member is a header of 110 ASCII characters, the name with a closing zero, padding to 4 bytes,
 * the content, padding to 4 bytes. The header is "070701" and 13 numbers of 8 hexadecimal digits:
 * inode, mode, uid, gid, links, mtime, size, device major and minor, the same of a device node, name
 * length with the zero, checksum (0). A member named "TRAILER!!!" ends the archive.
 */
import { ImageError } from "../errors.ts";
import type { Tree, TreeEntry } from "../rootfs/tree.ts";
import { readContentWhole } from "./file-content.ts";

const MAGIC = "070701";
const HEADER_BYTES = 110;
const TRAILER = "TRAILER!!!";
const TYPE_MASK = 0o170000;
const TYPE_FILE = 0o100000;
const TYPE_DIRECTORY = 0o040000;
const TYPE_SYMLINK = 0o120000;
/** Size and name length are 32-bit; Linux refuses longer names (PATH_MAX). */
const MAX_CONTENT_BYTES = 0xffffffff;
const MAX_NAME_BYTES = 4095;

export interface CpioOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * The tree as an archive, in memory: for the small first stage of a boot, not for whole roots. Names
 * are relative ("bin/sh"), inode numbers count from 1 in tree order, owners and times are zero.
 *
 * @throws {ImageError} WL_IMAGE_PROJECT_INVALID when a file cannot be read, or a name or file is too
 *   long for the format
 */
export async function writeCpio(tree: Tree, { signal }: CpioOptions = {}): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let inode = 0;
  for (const entry of tree) {
    if (entry.path === "/") continue;
    inode += 1;
    const content = await contentOf(entry, signal);
    parts.push(encodeHeader(entry, inode, content.length), content, padding(content.length));
  }
  parts.push(encodeMember(TRAILER, { inode: 0, mode: 0, links: 1, sizeBytes: 0 }));
  return Buffer.concat(parts);
}

/**
 * The members of an archive as tree entries, in the archive's order. Reads what `writeCpio` writes and
 * GNU cpio's `-H newc` output, hard links aside.
 *
 * @throws {RangeError} when the archive is cut off or is not newc
 */
export function readCpio(archive: Uint8Array): readonly TreeEntry[] {
  const bytes = Buffer.from(archive.buffer, archive.byteOffset, archive.byteLength);
  const entries: TreeEntry[] = [];
  for (let at = 0; ; ) {
    const header = take(bytes, at, HEADER_BYTES).toString("latin1");
    if (!/^07070[12][0-9a-fA-F]{104}$/.test(header)) {
      throw new RangeError(`No newc header at byte ${at}`);
    }
    const field = (index: number): number =>
      Number.parseInt(header.slice(6 + index * 8, 14 + index * 8), 16);
    const [mode, sizeBytes, nameBytes] = [field(1), field(6), field(11)];
    if (nameBytes === 0) throw new RangeError(`Member at byte ${at} has no name`);
    const name = take(bytes, at + HEADER_BYTES, nameBytes - 1).toString();
    if (name === TRAILER) return entries;
    const contentAt = align(at + HEADER_BYTES + nameBytes);
    const content = take(bytes, contentAt, sizeBytes);
    entries.push(entryOf(name, mode, content));
    at = align(contentAt + sizeBytes);
  }
}

function entryOf(name: string, mode: number, content: Buffer): TreeEntry {
  const path = name === "." ? "/" : `/${name.replace(/^(\.?\/)+/, "")}`;
  switch (mode & TYPE_MASK) {
    case TYPE_DIRECTORY:
      return { kind: "directory", path, mode: mode & 0o7777 };
    case TYPE_SYMLINK:
      return { kind: "symlink", path, target: content.toString() };
    case TYPE_FILE: {
      const bytes = Uint8Array.from(content);
      return { kind: "file", path, mode: mode & 0o7777, source: { kind: "bytes", bytes } };
    }
    default:
      throw new RangeError(`Member ${JSON.stringify(name)} is no file, directory or symlink`);
  }
}

async function contentOf(entry: TreeEntry, signal: AbortSignal | undefined): Promise<Uint8Array> {
  switch (entry.kind) {
    case "directory":
      return new Uint8Array(0);
    case "symlink":
      return Buffer.from(entry.target);
    case "file":
      return readContentWhole(entry, { signal });
  }
}

function encodeHeader(entry: TreeEntry, inode: number, sizeBytes: number): Uint8Array {
  const name = entry.path.slice(1);
  if (Buffer.byteLength(name) > MAX_NAME_BYTES || sizeBytes > MAX_CONTENT_BYTES) {
    throw new ImageError(
      "WL_IMAGE_PROJECT_INVALID",
      `${JSON.stringify(entry.path)} does not fit a cpio archive: its name or content is too long`,
      { file: entry.path, next: "Leave it out of the first stage" },
    );
  }
  switch (entry.kind) {
    case "directory":
      return encodeMember(name, { inode, mode: TYPE_DIRECTORY | entry.mode, links: 2, sizeBytes });
    case "symlink":
      return encodeMember(name, { inode, mode: TYPE_SYMLINK | 0o777, links: 1, sizeBytes });
    case "file":
      return encodeMember(name, { inode, mode: TYPE_FILE | entry.mode, links: 1, sizeBytes });
  }
}

interface MemberFields {
  readonly inode: number;
  readonly mode: number;
  readonly links: number;
  readonly sizeBytes: number;
}

/** Header and name, padded. */
function encodeMember(name: string, { inode, mode, links, sizeBytes }: MemberFields): Uint8Array {
  const nameBytes = Buffer.byteLength(name) + 1;
  const numbers = [inode, mode, 0, 0, links, 0, sizeBytes, 0, 0, 0, 0, nameBytes, 0];
  const digits = numbers.map((number) => number.toString(16).padStart(8, "0")).join("");
  const member = Buffer.alloc(align(HEADER_BYTES + nameBytes));
  member.write(`${MAGIC}${digits}${name}`);
  return member;
}

function padding(sizeBytes: number): Uint8Array {
  return new Uint8Array(align(sizeBytes) - sizeBytes);
}

function align(sizeBytes: number): number {
  return Math.ceil(sizeBytes / 4) * 4;
}

function take(bytes: Buffer, at: number, sizeBytes: number): Buffer {
  if (at + sizeBytes > bytes.length) throw new RangeError(`Archive is cut off at ${bytes.length}`);
  return bytes.subarray(at, at + sizeBytes);
}
