/** getdents64(2): Node asks lstat where a file system leaves d_type out, so it cannot show that. */
import { closeSync, openSync } from "node:fs";
import { check, libc } from "./libc.ts";

const GETDENTS64 = 217;
/** struct linux_dirent64: inode u64, offset u64, length u16 at 16, type u8 at 18, name with NUL at 19. */
const LENGTH_AT = 16;
const TYPE_AT = 18;
const NAME_AT = 19;

/** include/linux/fs_types.h */
const TYPES: Readonly<Record<number, string>> = {
  0: "unknown",
  1: "fifo",
  2: "char",
  4: "dir",
  6: "block",
  8: "regular",
  10: "symlink",
  12: "socket",
};

/** "d=dir,l=symlink", by name, without "." and "..". */
export function folderTypes(path: string): string {
  const fd = openSync(path, "r");
  try {
    const found: string[] = [];
    for (;;) {
      const buffer = Buffer.alloc(32768);
      const bytes = check(
        "getdents64",
        libc().syscallBuffer(GETDENTS64, fd, buffer, buffer.length),
      );
      if (bytes === 0) break;
      for (let at = 0; at < bytes; at += buffer.readUInt16LE(at + LENGTH_AT)) {
        const name = buffer.toString("latin1", at + NAME_AT, buffer.indexOf(0, at + NAME_AT));
        if (name === "." || name === "..") continue;
        found.push(`${name}=${TYPES[buffer.readUInt8(at + TYPE_AT)] ?? "other"}`);
      }
    }
    return found.sort().join(",");
  } finally {
    closeSync(fd);
  }
}
