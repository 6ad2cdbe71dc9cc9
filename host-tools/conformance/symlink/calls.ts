/**
 * What assertions call: one function per system call, through Node's fs where it has the call, through libc
 * where it has not. Each returns nothing, or what was asked for as text, and throws an error with a code.
 */
import * as fs from "node:fs";
import {
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  FS_IMMUTABLE,
  FS_IOC_GETFLAGS,
  FS_IOC_SETFLAGS,
} from "./flags.ts";
import { folderTypes } from "./folder-types.ts";
import { addressOf, check, libc } from "./libc.ts";
import { statFields } from "./stat-fields.ts";

export type Calls = typeof calls;
type Path = string | Buffer;

/** An address that is in no process: the top of the lower half is never mapped. */
const NOWHERE = 0x7fff_ffff_f000n;

export const calls = {
  ...{ create, mkfifo, mknod, bind, truncate, ftruncate, open, openAndRead, openAndWrite },
  symlink: (target: Path, path: Path) => fs.symlinkSync(target, path),
  readlink: (path: Path) => fs.readlinkSync(path, "latin1"),
  link: (path: Path, newPath: Path) => fs.linkSync(path, newPath),
  unlink: (path: Path) => fs.unlinkSync(path),
  rename: (path: Path, newPath: Path) => fs.renameSync(path, newPath),
  mkdir: (path: Path, mode = 0o755) => void fs.mkdirSync(path, { mode }),
  rmdir: (path: Path) => fs.rmdirSync(path),
  chdir: (path: string) => process.chdir(path),
  chmod: (path: Path, mode: number) => fs.chmodSync(path, mode),
  // -1 leaves the owner; fs takes it as the number that the kernel means by it.
  chown: (path: Path, uid: number, gid: number) => fs.chownSync(path, id(uid), id(gid)),
  lchown: (path: Path, uid: number, gid: number) => fs.lchownSync(path, id(uid), id(gid)),
  access: (path: Path, mode: number) => fs.accessSync(path, mode),
  utimes: (path: Path, atime: number, mtime: number) => fs.utimesSync(path, atime, mtime),
  stat: (path: Path, fields: string) => statFields(fs.statSync(path, { bigint: true }), fields),
  lstat: (path: Path, fields: string) => statFields(fs.lstatSync(path, { bigint: true }), fields),
  /** Names of a folder with the d_type that the file system gives them, "l=symlink,d=dir". */
  folderTypes,
  realpath: (path: string) => fs.realpathSync.native(path),
  ...{ symlinkNowhere, readlinkNowhere, readlinkInto, readlinkAt, symlinkAt, linkAt, unlinkAt },
  ...{ renameAt, utimesAt, chmodAt, chownAt, accessAt, setImmutable, mount, unmount },
};

/** 0xffff_ffff, which the kernel takes for "as it is". */
function id(number: number): number {
  return number >>> 0;
}

function create(path: Path, mode = 0o644): void {
  const { O_CREAT, O_EXCL, O_WRONLY } = fs.constants;
  fs.closeSync(fs.openSync(path, O_CREAT | O_EXCL | O_WRONLY, mode));
}

const KINDS = { fifo: 0o010000, char: 0o020000, block: 0o060000 } as const;

function mknod(path: string, kind: keyof typeof KINDS, mode = 0o644, major = 0, minor = 0): void {
  check("mknod", libc().mknod(path, KINDS[kind] | mode, major * 256 + minor));
}

function mkfifo(path: string, mode = 0o644): void {
  mknod(path, "fifo", mode);
}

/** A Unix socket that nobody listens on. */
function bind(path: string): void {
  const socket = check("socket", libc().socket(1, 1, 0));
  try {
    const address = Buffer.concat([Buffer.from([1, 0]), Buffer.from(`${path}\0`)]);
    check("bind", libc().bind(socket, address, address.length));
  } finally {
    fs.closeSync(socket);
  }
}

/** truncate(2); Node's opens the file instead. */
function truncate(path: string, sizeBytes: number): void {
  check("truncate", libc().truncate(path, sizeBytes));
}

function ftruncate(path: Path, sizeBytes: number): void {
  withFile(path, fs.constants.O_WRONLY, (fd) => fs.ftruncateSync(fd, sizeBytes));
}

function open(path: Path, flags: number, mode = 0o644): void {
  fs.closeSync(fs.openSync(path, flags, mode));
}

/** What the open file is, or holds. */
function openAndRead(path: Path, flags: number, what: "content" | "type"): string {
  return withFile(path, flags, (fd) =>
    what === "type"
      ? statFields(fs.fstatSync(fd, { bigint: true }), "type")
      : fs.readFileSync(fd, "utf8"),
  );
}

function openAndWrite(path: Path, flags: number, text: string): void {
  withFile(path, flags, (fd) => fs.writeSync(fd, text));
}

function withFile<Answer>(path: Path, flags: number, action: (fd: number) => Answer): Answer {
  const fd = fs.openSync(path, flags, 0o644);
  try {
    return action(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** symlink(2) with a bad address for the target, the path, or both; NULL or an address that is not mapped. */
function symlinkNowhere(
  target: string | null | "unmapped",
  path: string | null | "unmapped",
): void {
  check("symlink", libc().symlink(addressFor(target), addressFor(path)));
}

function addressFor(text: string | null): bigint {
  if (text === null) return 0n;
  return text === "unmapped" ? NOWHERE : addressOf(text);
}

function readlinkNowhere(path: string | "unmapped", buffer: "unmapped" | "mapped"): void {
  const space = buffer === "mapped" ? addressOf("x".repeat(64)) : NOWHERE;
  check("readlink", libc().readlinkNowhere(addressFor(path), space, 64));
}

/** readlink(2) into so many bytes: the count, then what the whole buffer holds, first filled with "#". */
function readlinkInto(path: string, bytes: number): string {
  const buffer = Buffer.alloc(Math.max(bytes, 1) + 4, "#");
  const count = check("readlink", libc().readlinkat(AT_FDCWD, path, buffer, bytes));
  return `${count} ${buffer.toString("latin1")}`;
}

/** readlinkat(2) of a path below an open folder, or, with an empty path, of the link that is open itself. */
function readlinkAt(folder: Path, flags: number, path: string): string {
  return withFile(folder, flags, (fd) => {
    const buffer = Buffer.alloc(256);
    const count = check("readlinkat", libc().readlinkat(fd, path, buffer, buffer.length));
    return buffer.toString("latin1", 0, count);
  });
}

function symlinkAt(target: string, folder: Path, flags: number, path: string): void {
  withFile(
    folder,
    flags,
    (fd) => check("symlinkat", libc().symlinkat(target, fd, path)) && undefined,
  );
}

function linkAt(path: string, newPath: string, flags: number): void {
  check("linkat", libc().linkat(AT_FDCWD, path, AT_FDCWD, newPath, flags));
}

function unlinkAt(path: string, flags: number): void {
  check("unlinkat", libc().unlinkat(AT_FDCWD, path, flags));
}

function renameAt(path: string, newPath: string, flags: number): void {
  check("renameat2", libc().renameat2(AT_FDCWD, path, AT_FDCWD, newPath, flags));
}

/** utimensat(2), in whole seconds. */
function utimesAt(path: string, atime: number, mtime: number, flags: number): void {
  const times = Buffer.alloc(32);
  times.writeBigInt64LE(BigInt(atime), 0);
  times.writeBigInt64LE(BigInt(mtime), 16);
  check("utimensat", libc().utimensat(AT_FDCWD, path, times, flags));
}

function chmodAt(path: string, mode: number, flags: number): void {
  check("fchmodat", libc().fchmodat(AT_FDCWD, path, mode, flags));
}

function chownAt(path: string, uid: number, gid: number, flags = AT_SYMLINK_NOFOLLOW): void {
  check("fchownat", libc().fchownat(AT_FDCWD, path, id(uid), id(gid), flags));
}

function accessAt(path: string, mode: number, flags: number): void {
  check("faccessat", libc().faccessat(AT_FDCWD, path, mode, flags));
}

/** Makes a folder immutable, or ordinary again. */
function setImmutable(path: string, isImmutable: boolean): void {
  const { O_RDONLY } = fs.constants;
  withFile(path, O_RDONLY, (fd) => {
    const word = Buffer.alloc(8);
    check("ioctl", libc().ioctl(fd, FS_IOC_GETFLAGS, word));
    const others = word.readUInt32LE(0) & ~FS_IMMUTABLE;
    word.writeUInt32LE((isImmutable ? others | FS_IMMUTABLE : others) >>> 0, 0);
    check("ioctl", libc().ioctl(fd, FS_IOC_SETFLAGS, word));
  });
}

function mount(source: string, target: string, type: string, flags: number, data = ""): void {
  check("mount", libc().mount(source, target, type, flags, data));
}

function unmount(target: string): void {
  check("umount2", libc().umount2(target, 0));
}
