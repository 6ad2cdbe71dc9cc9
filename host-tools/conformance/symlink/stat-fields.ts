/** What stat(2) says, as text: "symlink,0777,1" for "type,mode,nlink". */
import type { BigIntStats } from "node:fs";

const TYPES: Readonly<Record<number, string>> = {
  1: "fifo",
  2: "char",
  4: "dir",
  6: "block",
  8: "regular",
  10: "symlink",
  12: "socket",
};

/** Times in nanoseconds; atime_s and mtime_s in seconds; mode in octal with four digits. */
const FIELDS: Readonly<Record<string, (stats: BigIntStats) => unknown>> = {
  type: ({ mode }) => TYPES[Number(mode >> 12n)],
  mode: ({ mode }) => (mode & 0o7777n).toString(8).padStart(4, "0"),
  inode: ({ ino }) => ino,
  nlink: ({ nlink }) => nlink,
  uid: ({ uid }) => uid,
  gid: ({ gid }) => gid,
  size: ({ size }) => size,
  mtime: ({ mtimeNs }) => mtimeNs,
  ctime: ({ ctimeNs }) => ctimeNs,
  atime_s: ({ atimeNs }) => atimeNs / 1_000_000_000n,
  mtime_s: ({ mtimeNs }) => mtimeNs / 1_000_000_000n,
};

/** @throws {TypeError} for a field of another name */
export function statFields(stats: BigIntStats, fields: string): string {
  const words = fields.split(",").map((name) => {
    const field = FIELDS[name];
    if (!field) throw new TypeError(`no field of stat: ${name}`);
    return String(field(stats));
  });
  return words.join(",");
}
