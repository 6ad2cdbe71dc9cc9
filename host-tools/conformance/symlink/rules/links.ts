/** S1 to S4, S13, S15, S16: what a link is, what can be asked about it, and what it leaves alone. */
import type { Script } from "../script.ts";
import { rules } from "./rules.ts";

export const linkRules = [
  rules(
    { id: "S1", title: "the target is stored as it is", source: "symlink(2)", count: 14 },
    stored,
  ),
  rules(
    { id: "S2", title: "lstat describes the link", source: "symlink(7), lstat(2)", count: 9 },
    described,
  ),
  rules({ id: "S3", title: "readlink", source: "readlink(2)", count: 20 }, read),
  rules(
    { id: "S4", title: "a name is taken by whatever has it", source: "symlink(2)", count: 8 },
    taken,
  ),
  rules(
    { id: "S13", title: "the folder's times", source: "POSIX symlink(), unlink()", count: 6 },
    folderTimes,
  ),
  rules(
    { id: "S15", title: "bytes that are no UTF-8", source: "path_resolution(7)", count: 8 },
    rawBytes,
  ),
  rules(
    { id: "S16", title: "types in a folder's list", source: "getdents64(2)", count: 4 },
    listed,
  ),
];

const TARGETS = [
  "nowhere",
  "/",
  "/nowhere/at/all",
  ".",
  "..",
  "a//b/../c/",
  " ",
  "l3/",
  "./x",
  "*?\n",
];

function stored(script: Script): void {
  for (const [index, target] of TARGETS.entries()) {
    script.prepare("symlink", target, `l${index}`);
    script.rule("stored and not looked at", target, "readlink", `l${index}`);
  }
  script.rule("a link may name itself", "0", "symlink", "self", "self");
  script.rule("and is there then", "symlink", "lstat", "self", "type");
  script.rule(
    "an empty target is refused (POSIX leaves it open)",
    "ENOENT",
    "symlink",
    "",
    "empty",
  );
  script.rule("and nothing was made", "ENOENT", "lstat", "empty", "type");
}

function described(script: Script): void {
  script.prepare("symlink", "target", "l");
  script.rule("the type is that of a link", "symlink", "lstat", "l", "type");
  script.rule("the size is the target's length", "6", "lstat", "l", "size");
  script.rule("the mode is 0777 (POSIX leaves it open)", "0777", "lstat", "l", "mode");
  script.rule("there is one name", "1", "lstat", "l", "nlink");
  for (const length of [1, 59, 60, 1000, 4095]) {
    script.prepare("symlink", "t".repeat(length), `l${length}`);
    script.rule("the size, short and long", String(length), "lstat", `l${length}`, "size");
  }
}

function read(script: Script): void {
  script.prepare("symlink", "target", "l");
  script.prepare("create", "file");
  script.prepare("mkdir", "dir");
  script.prepare("mkfifo", "fifo");
  script.rule("the whole target, and no NUL", "6 target####", "readlinkInto", "l", 6);
  script.rule("nothing is written behind it", "6 target########", "readlinkInto", "l", 10);
  script.rule("cut off without an error", "3 tar####", "readlinkInto", "l", 3);
  script.rule("cut off at one byte", "1 t####", "readlinkInto", "l", 1);
  script.rule("no room at all", "EINVAL", "readlinkInto", "l", 0);
  script.rule("a file is no link", "EINVAL", "readlink", "file");
  script.rule("a folder is no link", "EINVAL", "readlink", "dir");
  script.rule("a FIFO is no link", "EINVAL", "readlink", "fifo");
  script.rule("nothing there", "ENOENT", "readlink", "none");
  script.rule("an empty path", "ENOENT", "readlink", "");
  script.rule("a file in the path", "ENOTDIR", "readlink", "file/l");
  script.rule("a slash behind a link to nothing", "ENOENT", "readlink", "l/");
  script.prepare("symlink", "l", "m");
  script.rule("a link to a link: one step only", "l", "readlink", "m");
  script.prepare("symlink", "dir", "d");
  script.prepare("symlink", "inner", "dir/l");
  script.rule("links on the way are followed", "inner", "readlink", "d/l");
  script.rule("a slash behind a link to a folder", "EINVAL", "readlink", "d/");
  script.rule("relative to an open folder", "inner", "readlinkAt", "dir", 0, "l");
  script.rule("relative to an open file", "ENOTDIR", "readlinkAt", "file", 0, "l");
  script.rule("path at no address", "EFAULT", "readlinkNowhere", "unmapped", "mapped");
  script.rule("buffer at no address", "EFAULT", "readlinkNowhere", "l", "unmapped");
  script.rule("and the link is as before", "target", "readlink", "l");
}

function taken(script: Script): void {
  script.prepare("create", "file");
  script.prepare("mkdir", "dir");
  script.prepare("symlink", "nowhere", "dangling");
  script.prepare("symlink", "file", "good");
  script.rule("a file", "EEXIST", "symlink", "x", "file");
  script.rule("a folder", "EEXIST", "symlink", "x", "dir");
  script.rule("a link to a file", "EEXIST", "symlink", "x", "good");
  script.rule("a link to nothing", "EEXIST", "symlink", "x", "dangling");
  script.rule("the same link again", "EEXIST", "symlink", "nowhere", "dangling");
  script.rule("what was there stays", "nowhere", "readlink", "dangling");
  script.rule("the folder itself", "EEXIST", "symlink", "x", ".");
  script.rule("the root", "EEXIST", "symlink", "x", "/");
}

function folderTimes(script: Script): void {
  script.prepare("mkdir", "d");
  const changes = (words: string, isChanged: boolean, fields: string[], block: () => void) => {
    const before = fields.map((field) => script.value("stat", "d", field));
    script.tick();
    block();
    for (const [index, field] of fields.entries()) {
      script.check(`${words}: the folder's ${field}`, isChanged ? "later" : "as before", () => {
        const after = BigInt(script.value("stat", "d", field));
        return after > BigInt(before[index] ?? 0) ? "later" : "as before";
      });
    }
  };
  changes("symlink", true, ["mtime", "ctime"], () => script.prepare("symlink", "x", "d/l"));
  changes("a refused symlink", false, ["mtime", "ctime"], () =>
    script.value("symlink", "x", "d/l"),
  );
  changes("unlink", true, ["mtime", "ctime"], () => script.prepare("unlink", "d/l"));
}

function rawBytes(script: Script): void {
  const odd = Buffer.from([0xff, 0xfe, 0x80, 0x0a, 0x01, 0xc3]);
  const text = odd.toString("latin1");
  script.rule("a target of any bytes", "0", "symlink", odd, "l");
  script.rule("is read back as it is", text, "readlink", "l");
  script.rule("its size is in bytes", "6", "lstat", "l", "size");
  script.rule("a link's name of any bytes", "0", "symlink", "x", odd);
  script.rule("is found under that name", "x", "readlink", odd);
  script.rule("and through the first link, once it is a file", "symlink", "lstat", odd, "type");
  script.prepare("create", "x");
  script.rule("a target of any bytes is followed", "regular", "stat", "l", "type");
  const folder = Buffer.concat([Buffer.from("d"), odd]);
  script.prepare("mkdir", folder);
  script.prepare("symlink", folder, "e");
  script.rule("also as a folder on the way", "0", "symlink", "y", "e/z");
}

function listed(script: Script): void {
  script.prepare("mkdir", "d");
  script.prepare("mkdir", "d/dir");
  script.prepare("create", "d/file");
  script.prepare("symlink", "file", "d/link");
  script.prepare("symlink", "dir", "d/linkdir");
  script.prepare("symlink", "none", "d/dangling");
  const types = "dangling=symlink,dir=dir,file=regular,link=symlink,linkdir=symlink";
  script.rule("a link is a link there", types, "folderTypes", "d");
  script.prepare("symlink", "d", "l");
  script.rule("a link to a folder lists the folder", types, "folderTypes", "l");
  script.rule("so does one with a slash", types, "folderTypes", "l/");
  script.rule("a link to a file lists nothing", "ENOTDIR", "folderTypes", "d/link/");
}
