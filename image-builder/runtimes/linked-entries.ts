/**
 * A file of the host as entries of the root tree, with every symbolic link on the way to it: programs
 * look at the name they were started by, and the dynamic linker knows a library again by its inode.
 */
import { lstatSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, isAbsolute, join, normalize } from "node:path/posix";
import type { FileEntry, SymlinkEntry } from "../rootfs/tree.ts";
import { ioError } from "./io-error.ts";

/** Linux gives up after 40 links (MAXSYMLINKS in include/linux/namei.h). */
const MAX_LINKS = 40;
const OWNER_EXECUTE = 0o100;

export interface LinkedFile {
  /** The links in their order, then the file. */
  readonly entries: readonly (SymlinkEntry | FileEntry)[];
  /** Where the file itself is, on the host and in the guest. */
  readonly hostPath: string;
  readonly guestPath: string;
}

/**
 * Links of the file's own name are kept as they are written; folders that are links become folders.
 *
 * @throws {ImageError} WL_IMAGE_IO when it is not there, is no regular file, or the links form a loop
 */
export function linkedFile(hostPath: string, guestPath: string): LinkedFile {
  const entries: SymlinkEntry[] = [];
  let [host, guest] = [hostPath, guestPath];
  try {
    for (let hop = 0; hop < MAX_LINKS; hop += 1) {
      host = join(realpathSync(dirname(host)), basename(host));
      const facts = lstatSync(host);
      if (!facts.isSymbolicLink()) break;
      const target = readlinkSync(host);
      entries.push({ kind: "symlink", path: guest, target });
      guest = isAbsolute(target) ? normalize(target) : join(dirname(guest), target);
      host = isAbsolute(target) ? target : join(dirname(host), target);
    }
    const facts = statSync(host);
    if (!facts.isFile()) throw new Error("it is not a regular file");
    const mode = facts.mode & OWNER_EXECUTE ? 0o755 : 0o644;
    const source = { kind: "path", path: host, sizeBytes: facts.size } as const;
    const file: FileEntry = { kind: "file", path: guest, mode, source };
    return { entries: [...entries, file], hostPath: host, guestPath: guest };
  } catch (cause) {
    throw ioError("read", hostPath, cause);
  }
}
