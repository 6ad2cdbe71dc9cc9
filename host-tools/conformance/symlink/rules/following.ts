/** S5 to S7, S18: which calls act on the link, and which on what it names. */
import { constants } from "node:fs";
import {
  AT_EMPTY_PATH,
  AT_SYMLINK_FOLLOW,
  AT_SYMLINK_NOFOLLOW,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
} from "../flags.ts";
import { identitiesMissing } from "../identity.ts";
import type { Script } from "../script.ts";
import { rules } from "./rules.ts";

const { F_OK, O_RDONLY, O_WRONLY, W_OK } = constants;

export const followingRules = [
  rules(
    {
      id: "S5",
      title: "calls that follow a link, and those that do not",
      source: "symlink(7)",
      count: 45,
    },
    followed,
  ),
  rules({ id: "S6", title: "rename moves the link", source: "rename(2)", count: 26 }, renamed),
  rules(
    { id: "S7", title: "hard links to links", source: "link(2), POSIX link()", count: 14 },
    linked,
  ),
  rules({ id: "S18", title: "times of the link itself", source: "utimensat(2)", count: 10 }, timed),
];

function followed(script: Script): void {
  script.prepare("create", "file");
  script.prepare("openAndWrite", "file", O_WRONLY, "content");
  script.prepare("symlink", "file", "l");
  script.prepare("symlink", "nowhere", "dangling");
  const inode = script.value("stat", "file", "inode");
  script.rule("stat follows", `regular,${inode}`, "stat", "l", "type,inode");
  script.rule("lstat does not", "symlink", "lstat", "l", "type");
  script.rule("stat of a link to nothing", "ENOENT", "stat", "dangling", "type");
  script.rule("lstat of a link to nothing", "symlink", "lstat", "dangling", "type");
  script.rule("open follows", "content", "openAndRead", "l", O_RDONLY, "content");
  script.rule("writing goes to the file", "0", "openAndWrite", "l", O_WRONLY, "CONTENT");
  script.rule("and is there", "CONTENT", "openAndRead", "file", O_RDONLY, "content");
  script.rule("open of a link to nothing", "ENOENT", "open", "dangling", O_RDONLY);
  script.rule("access follows", "0", "access", "l", F_OK);
  script.rule("access of a link to nothing", "ENOENT", "access", "dangling", F_OK);
  script.rule(
    "faccessat with a flag does not",
    "0",
    "accessAt",
    "dangling",
    F_OK,
    AT_SYMLINK_NOFOLLOW,
  );
  script.rule("chmod follows", "0", "chmod", "l", 0o640);
  script.rule("the file has the mode", "0640", "stat", "file", "mode");
  script.rule("the link keeps its own", "0777", "lstat", "l", "mode");
  script.rule("chmod of a link to nothing", "ENOENT", "chmod", "dangling", 0o600);
  script.rule(
    "a link's mode cannot be set (EOPNOTSUPP, the same number)",
    "ENOTSUP",
    "chmodAt",
    "l",
    0o600,
    AT_SYMLINK_NOFOLLOW,
  );
  script.rule("truncate follows", "0", "truncate", "l", 3);
  script.rule("the file is cut", "3", "stat", "file", "size");
  script.rule("the link is not", "4", "lstat", "l", "size");
  script.rule("truncate of a link to nothing", "ENOENT", "truncate", "dangling", 3);
  script.rule("utimes follows", "0", "utimes", "l", 1000, 2000);
  script.rule("the file has the time", "2000", "stat", "file", "mtime_s");
  script.rule("utimes of a link to nothing", "ENOENT", "utimes", "dangling", 1, 2);
  owners(script);
  folders(script);
  script.rule("unlink takes the link", "0", "unlink", "l");
  script.rule("and leaves the file", "regular", "lstat", "file", "type");
  script.rule("unlink of a link to nothing", "0", "unlink", "dangling");
  script.rule("which is gone", "ENOENT", "lstat", "dangling", "type");
}

function owners(script: Script): void {
  script.unless(identitiesMissing(), () => {
    script.rule("chown follows", "0", "chown", "l", 12, 34);
    script.rule("the file has the owner", "12,34", "stat", "file", "uid,gid");
    script.rule("lchown does not", "0", "lchown", "l", 56, 78);
    script.rule("the link has the owner", "56,78", "lstat", "l", "uid,gid");
    script.rule("the file does not", "12,34", "lstat", "file", "uid,gid");
    script.rule("lchown of a link to nothing", "0", "lchown", "dangling", 56, 78);
    script.rule("chown of a link to nothing", "ENOENT", "chown", "dangling", 12, 34);
    script.rule("fchownat with a flag does not follow", "0", "chownAt", "dangling", 9, 9);
    script.rule("and has done so", "9,9", "lstat", "dangling", "uid,gid");
  });
}

function folders(script: Script): void {
  script.prepare("mkdir", "dir");
  script.prepare("symlink", "dir", "d");
  script.prepare("symlink", "nodir", "dd");
  script.rule("mkdir below a link to a folder", "0", "mkdir", "d/new");
  script.rule("is in the folder", "dir", "lstat", "dir/new", "type");
  script.rule("mkdir below a link to nothing", "ENOENT", "mkdir", "dd/new");
  script.rule("rmdir acts on the link", "ENOTDIR", "rmdir", "d");
  script.rule("rmdir of a link to nothing", "ENOTDIR", "rmdir", "dd");
  script.rule("mkdir where a link to a folder is", "EEXIST", "mkdir", "d");
  script.rule("rmdir below a link to a folder", "0", "rmdir", "d/new");
  script.rule("access asks about what is named", "0", "access", "d", W_OK);
  script.rule("readlink reads the link", "dir", "readlink", "d");
}

function renamed(script: Script): void {
  script.prepare("create", "file");
  script.prepare("symlink", "file", "l");
  const file = script.value("lstat", "file", "inode");
  const link = script.value("lstat", "l", "inode");
  script.rule("a link moves", "0", "rename", "l", "m");
  script.rule("with its inode", `symlink,${link}`, "lstat", "m", "type,inode");
  script.rule("and its target", "file", "readlink", "m");
  script.rule("the old name is gone", "ENOENT", "lstat", "l", "type");
  script.rule("the file has not moved", file, "lstat", "file", "inode");
  script.prepare("create", "other");
  const other = script.value("lstat", "other", "inode");
  script.rule("a file over a link replaces the link", "0", "rename", "other", "m");
  script.rule("which is that file now", `regular,${other}`, "lstat", "m", "type,inode");
  script.rule("what the link named is as before", `regular,${file}`, "lstat", "file", "type,inode");
  script.prepare("symlink", "nowhere", "dangling");
  script.rule("a link over a file replaces the file", "0", "rename", "dangling", "m");
  script.rule("which is a link now", "nowhere", "readlink", "m");
  script.prepare("symlink", "elsewhere", "n");
  script.rule("a link over a link", "0", "rename", "m", "n");
  script.rule("is the first one", "nowhere", "readlink", "n");
  script.prepare("mkdir", "dir");
  script.prepare("symlink", "dir", "d");
  script.rule("a folder over a link to a folder", "ENOTDIR", "rename", "dir", "d");
  script.rule("a link over a folder", "EISDIR", "rename", "d", "dir");
  script.rule("into a folder through its link", "0", "rename", "n", "d/n");
  script.rule("is in the folder", "nowhere", "readlink", "dir/n");
  renamedSpecially(script);
}

function renamedSpecially(script: Script): void {
  script.prepare("symlink", "x", "p");
  script.prepare("symlink", "y", "q");
  const rule = script.rule.bind(script);
  rule("no replacing of a link, even to nothing", "EEXIST", "renameAt", "p", "q", RENAME_NOREPLACE);
  rule("but a new name", "0", "renameAt", "p", "r", RENAME_NOREPLACE);
  rule("two links change places", "0", "renameAt", "q", "r", RENAME_EXCHANGE);
  rule("the one", "x", "readlink", "q");
  rule("and the other", "y", "readlink", "r");
  rule("a link and a folder change places", "0", "renameAt", "q", "dir", RENAME_EXCHANGE);
  rule("the folder has the link's name", "dir", "lstat", "q", "type");
  rule("the link has the folder's", "x", "readlink", "dir");
  rule("exchange with nothing", "ENOENT", "renameAt", "r", "none", RENAME_EXCHANGE);
  const both = RENAME_EXCHANGE | RENAME_NOREPLACE;
  rule("both flags", "EINVAL", "renameAt", "q", "r", both);
}

function linked(script: Script): void {
  script.prepare("create", "file");
  script.prepare("symlink", "file", "l");
  script.prepare("symlink", "nowhere", "dangling");
  const link = script.value("lstat", "l", "inode");
  const file = script.value("lstat", "file", "inode");
  const rule = script.rule.bind(script);
  rule("link on a link makes another name of the link (POSIX: either)", "0", "link", "l", "hard");
  rule("of the same inode", `symlink,${link},2`, "lstat", "hard", "type,inode,nlink");
  rule("with the same target", "file", "readlink", "hard");
  rule("a link to nothing, too", "0", "link", "dangling", "hard2");
  rule("which leads nowhere", "nowhere", "readlink", "hard2");
  rule("linkat without a flag does not follow", "0", "linkAt", "l", "hard3", 0);
  rule("and counts", "3", "lstat", "l", "nlink");
  rule("linkat with AT_SYMLINK_FOLLOW does", "0", "linkAt", "l", "name", AT_SYMLINK_FOLLOW);
  rule("it is the file", `regular,${file},2`, "lstat", "name", "type,inode,nlink");
  rule("following to nothing", "ENOENT", "linkAt", "dangling", "name2", AT_SYMLINK_FOLLOW);
  script.prepare("mkdir", "dir");
  script.prepare("symlink", "dir", "d");
  rule("following to a folder", "EPERM", "linkAt", "d", "name3", AT_SYMLINK_FOLLOW);
  rule("a link to a folder itself", "0", "linkAt", "d", "name3", 0);
  rule("a name that a link has", "EEXIST", "link", "file", "dangling");
  rule("a flag that linkat does not know", "EINVAL", "linkAt", "l", "x", AT_SYMLINK_NOFOLLOW);
}

function timed(script: Script): void {
  script.prepare("create", "file");
  script.prepare("utimes", "file", 10, 20);
  script.prepare("symlink", "file", "l");
  script.prepare("symlink", "nowhere", "dangling");
  const rule = script.rule.bind(script);
  const flag = AT_SYMLINK_NOFOLLOW;
  rule("times of the link", "0", "utimesAt", "l", 1_000_000, 2_000_000, flag);
  rule("are the link's", "1000000,2000000", "lstat", "l", "atime_s,mtime_s");
  rule("the file has its own", "10,20", "lstat", "file", "atime_s,mtime_s");
  rule("without the flag those of the file", "0", "utimesAt", "l", 30, 40, 0);
  rule("are the file's", "30,40", "lstat", "file", "atime_s,mtime_s");
  rule("the link's mtime stays", "2000000", "lstat", "l", "mtime_s");
  rule("a link to nothing has times", "0", "utimesAt", "dangling", 5, 6, flag);
  rule("which can be seen", "6", "lstat", "dangling", "mtime_s");
  rule("following it finds nothing", "ENOENT", "utimesAt", "dangling", 5, 6, 0);
  rule("a flag that it does not know", "EINVAL", "utimesAt", "l", 5, 6, AT_EMPTY_PATH << 1);
}
