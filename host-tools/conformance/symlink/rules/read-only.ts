/**
 * R1 to R4: the rules on a read-only file system whose links were written by somebody else (`read-only-tree.ts`).
 * S numbers in the words say which rule it is.
 */
import { constants } from "node:fs";
import { AT_SYMLINK_NOFOLLOW, MAX_LINKS, O_PATH } from "../flags.ts";
import type { Script } from "../script.ts";
import { rules } from "./rules.ts";

const { O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, O_WRONLY, W_OK } = constants;

export const readOnlyRules = [
  rules(
    { id: "R1", title: "nothing can be changed", source: "symlink(2): EROFS", count: 24 },
    refused,
  ),
  rules(
    { id: "R2", title: "what a link is", source: "symlink(7), readlink(2)", count: 33 },
    described,
  ),
  rules({ id: "R3", title: "following", source: "path_resolution(7)", count: 30 }, followed),
  rules({ id: "R4", title: "opening", source: "open(2)", count: 12 }, opened),
];

function refused(script: Script): void {
  const rule = script.rule.bind(script);
  rule("symlink", "EROFS", "symlink", "x", "new");
  rule("symlink in a folder", "EROFS", "symlink", "x", "dir/new");
  rule("symlink through a link", "EROFS", "symlink", "x", "d/new");
  rule("symlink where a file is", "EEXIST", "symlink", "x", "file");
  rule("symlink where a link to nothing is", "EEXIST", "symlink", "x", "dangling");
  rule("symlink below a file", "ENOTDIR", "symlink", "x", "file/new");
  rule("symlink below nothing", "ENOENT", "symlink", "x", "none/new");
  rule("symlink below a circle", "ELOOP", "symlink", "x", "one/new");
  rule("unlink of a link", "EROFS", "unlink", "l");
  rule("unlink of a link to nothing", "EROFS", "unlink", "dangling");
  rule("unlink of nothing", "EROFS|ENOENT", "unlink", "none");
  rule("rename of a link", "EROFS", "rename", "l", "new");
  rule("rename over a link", "EROFS", "rename", "file", "l");
  rule("link of a link", "EROFS", "link", "l", "new");
  rule("rmdir of a link (the mount is asked first)", "EROFS", "rmdir", "d");
  rule("mkdir where a link is", "EEXIST", "mkdir", "dangling");
  rule("mkdir through a link", "EROFS", "mkdir", "d/new");
  rule("chmod through a link", "EROFS", "chmod", "l", 0o600);
  rule("chown through a link", "EROFS", "chown", "l", 1, 1);
  rule("lchown of a link", "EROFS", "lchown", "l", 1, 1);
  rule("times of a link", "EROFS", "utimesAt", "l", 1, 2, AT_SYMLINK_NOFOLLOW);
  rule("truncate through a link", "EROFS", "truncate", "l", 0);
  rule("may be written, through a link", "EROFS", "access", "l", W_OK);
  rule("nothing has changed", "file", "readlink", "l");
}

function described(script: Script): void {
  const rule = script.rule.bind(script);
  for (const length of [1, 59, 60, 1023, 2048, 4094, 4095]) {
    rule("S2: the size is the target's length", String(length), "lstat", `t${length}`, "size");
    script.check(`S1: a target of ${length} bytes is whole`, "true", () => {
      return script.value("readlink", `t${length}`) === "t".repeat(length);
    });
  }
  rule("S2: type and mode", "symlink,0777", "lstat", "l", "type,mode");
  rule("S2: one name", "1", "lstat", "l", "nlink");
  rule("S3: the whole target, and no NUL", "4 file########", "readlinkInto", "l", 8);
  rule("S3: cut off without an error", "2 fi####", "readlinkInto", "l", 2);
  rule("S3: no room", "EINVAL", "readlinkInto", "l", 0);
  rule("S3: a file is no link", "EINVAL", "readlink", "file");
  rule("S3: a folder is no link", "EINVAL", "readlink", "dir");
  rule("S3: nothing there", "ENOENT", "readlink", "none");
  rule("S3: one step only", "c1", "readlink", "c2");
  rule("S3: of a circle", "two", "readlink", "one");
  rule("S3: relative to an open folder", "../file", "readlinkAt", "dir", O_RDONLY, "up");
  rule("S3: of an open link", "file", "readlinkAt", "l", O_PATH | O_NOFOLLOW, "");
  rule("S1: stored as it is", "dir//", "readlink", "slashed");
  const umlaut = Buffer.from("\u00fc\n").toString("latin1");
  rule("S15: bytes of a name and of a target", umlaut, "readlink", "umlaut-\u00fc");
  rule("S15: the size is in bytes", "3", "lstat", "umlaut-\u00fc", "size");
  rule("S16: types in a folder's list", "deep=dir,inner=regular,up=symlink", "folderTypes", "dir");
  rule("S16: through a link", "deep=dir,inner=regular,up=symlink", "folderTypes", "d");
  rule("S16: of a folder below a link", "er=regular,far=symlink", "folderTypes", "dd");
  rule("S5: lstat of a link to nothing", "symlink", "lstat", "dangling", "type");
}

function followed(script: Script): void {
  const rule = script.rule.bind(script);
  const read = (path: string, text: string, words: string): void =>
    rule(words, text, "openAndRead", path, O_RDONLY, "content");
  read("l", "content", "S5: to a file");
  read("d/inner", "inside", "S5: to a folder");
  read("dd/er", "deep", "S5: to a link to a folder");
  read("dir/up", "content", "S14: relative to the link's folder");
  read("d/up", "content", "S14: also through a link");
  read("dir/deep/far", "inside", "S14: up and down");
  read("dots/file", "content", "S14: dot-dot in a target");
  read("dd/../inner", "inside", "S14: dot-dot is that of the target");
  read("here/here/./l", "content", "S14: a dot");
  script.check(
    "S14: an absolute target begins at the root",
    script.value("stat", "/", "inode"),
    () => script.value("stat", "absolute", "inode"),
  );
  rule("S5: stat", "regular", "stat", "l", "type");
  rule("S5: stat of a folder", "dir", "stat", "d", "type");
  rule("S5: stat of nothing", "ENOENT", "stat", "dangling", "type");
  rule("S11: a name that is too long", "ENAMETOOLONG", "stat", "t1023", "type");
  rule("S9: 40 links", "regular", "stat", `c${MAX_LINKS}`, "type");
  rule("S9: 41 links", "ELOOP", "stat", `c${MAX_LINKS + 1}`, "type");
  rule("S9: 41 links, the last one not followed", "symlink", "lstat", `c${MAX_LINKS + 1}`, "type");
  rule("S9: 40 in a path", "regular", "stat", `${"here/".repeat(MAX_LINKS)}file`, "type");
  rule("S9: 41 in a path", "ELOOP", "stat", `${"here/".repeat(MAX_LINKS + 1)}file`, "type");
  rule("S9: a circle", "ELOOP", "stat", "one", "type");
  rule("S9: itself", "ELOOP", "stat", "self", "type");
  rule("S9: below a circle", "ELOOP", "lstat", "one/x", "type");
  rule("S10: a slash, to a folder", "dir", "lstat", "d/", "type");
  rule("S10: a slash, to a file", "ENOTDIR", "lstat", "l/", "type");
  rule("S10: a slash, to nothing", "ENOENT", "lstat", "dangling/", "type");
  rule("S10: a slash in the target", "dir", "stat", "slashed", "type");
  rule("S10: readlink with a slash", "EINVAL", "readlink", "d/");
  rule("S12: a link to a file in the path", "ENOTDIR", "stat", "l/x", "type");
  rule("S12: a link to nothing in the path", "ENOENT", "stat", "dangling/x", "type");
  script.check("realpath has no links", "true", () => {
    return script.value("realpath", "dd/far") === `${script.value("realpath", ".")}/dir/inner`;
  });
}

function opened(script: Script): void {
  const rule = script.rule.bind(script);
  rule("O_NOFOLLOW", "ELOOP", "open", "l", O_RDONLY | O_NOFOLLOW);
  rule("O_NOFOLLOW, to nothing", "ELOOP", "open", "dangling", O_RDONLY | O_NOFOLLOW);
  const folder = O_RDONLY | O_NOFOLLOW | O_DIRECTORY;
  rule("wanted as a folder (POSIX: ELOOP)", "ENOTDIR", "open", "d", folder);
  rule("links on the way are followed", "0", "open", "d/inner", O_RDONLY | O_NOFOLLOW);
  rule("O_PATH of the link", "symlink", "openAndRead", "l", O_PATH | O_NOFOLLOW, "type");
  rule("O_PATH of the file", "regular", "openAndRead", "l", O_PATH, "type");
  rule("for writing", "EROFS", "open", "l", O_WRONLY);
  rule("O_CREAT through a link to nothing", "EROFS", "open", "dangling", O_WRONLY | O_CREAT);
  rule("O_CREAT of a circle", "ELOOP", "open", "one", O_WRONLY | O_CREAT);
  rule("a circle", "ELOOP", "open", "one", O_RDONLY);
  rule("nothing", "ENOENT", "open", "dangling", O_RDONLY);
  rule("a folder", "0", "open", "d/", folder);
}
