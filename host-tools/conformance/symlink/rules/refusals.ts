/** S12 and S17: what the path, its permissions and the file system refuse; sticky folders. */
import { readFileSync } from "node:fs";
import { AT_REMOVEDIR, MS_BIND, MS_RDONLY, MS_REMOUNT } from "../flags.ts";
import { identitiesMissing, NOBODY, withIdentity } from "../identity.ts";
import type { Script } from "../script.ts";
import { rules } from "./rules.ts";

export const refusalRules = [
  rules(
    { id: "S12", title: "refusals", source: "symlink(2), readlink(2)", count: 44 },
    (script) => {
      paths(script);
      script.unless(identitiesMissing(), () => permissions(script));
      addresses(script);
      script.unless(mountsMissing(script), () => {
        readOnly(script);
        full(script);
      });
      script.unless(immutableMissing(script), () => immutable(script));
    },
  ),
  rules(
    { id: "S17", title: "sticky folders", source: "unlink(2), proc(5)", count: 16 },
    (script) => {
      script.unless(identitiesMissing(), () => sticky(script));
    },
  ),
];

function paths(script: Script): void {
  script.prepare("create", "file");
  script.prepare("symlink", "file", "filelink");
  script.prepare("symlink", "none", "dangling");
  const rule = script.rule.bind(script);
  rule("a file in the path", "ENOTDIR", "symlink", "x", "file/l");
  rule("a link to a file in the path", "ENOTDIR", "symlink", "x", "filelink/l");
  rule("nothing in the path", "ENOENT", "symlink", "x", "none/l");
  rule("a link to nothing in the path", "ENOENT", "symlink", "x", "dangling/l");
  rule("an empty path", "ENOENT", "symlink", "x", "");
  rule("relative to an open file", "ENOTDIR", "symlinkAt", "x", "file", 0, "l");
  rule("readlink through a link to a file", "ENOTDIR", "readlink", "filelink/l");
  rule("readlink through a link to nothing", "ENOENT", "readlink", "dangling/l");
  rule("unlinkat of a link as a folder", "ENOTDIR", "unlinkAt", "dangling", AT_REMOVEDIR);
}

function permissions(script: Script): void {
  script.prepare("mkdir", "closed", 0o755);
  script.prepare("symlink", "x", "closed/l");
  script.prepare("create", "closed/file");
  script.prepare("symlink", "closed/file", "in");
  script.prepare("chmod", "closed", 0o700);
  const rule = script.ruleAs(NOBODY);
  rule("no search: symlink", "EACCES", "symlink", "x", "closed/m");
  rule("no search: readlink", "EACCES", "readlink", "closed/l");
  rule("no search: lstat", "EACCES", "lstat", "closed/l", "type");
  rule("no search: unlink", "EACCES", "unlink", "closed/l");
  rule("no search behind a link: stat", "EACCES", "stat", "in", "type");
  rule("but the link itself is read", "closed/file", "readlink", "in");
  script.prepare("chmod", "closed", 0o755);
  rule("no writing: symlink", "EACCES", "symlink", "x", "closed/m");
  rule("no writing, and it is there", "EEXIST", "symlink", "x", "closed/l");
  rule("no writing: unlink", "EACCES", "unlink", "closed/l");
  rule("no writing: rename", "EACCES", "rename", "closed/l", "closed/m");
  rule("reading is free", "x", "readlink", "closed/l");
  script.prepare("mkdir", "open", 0o755);
  script.prepare("chmod", "open", 0o777);
  rule("no permission on a link is needed to make one", "0", "symlink", "../closed", "open/l");
  script.rule("it is its maker's", "65534,65534", "lstat", "open/l", "uid,gid");
}

function addresses(script: Script): void {
  const rule = script.rule.bind(script);
  rule("target NULL", "EFAULT", "symlinkNowhere", null, "e");
  rule("target at no address", "EFAULT", "symlinkNowhere", "unmapped", "e");
  rule("path NULL", "EFAULT", "symlinkNowhere", "t", null);
  rule("path at no address", "EFAULT", "symlinkNowhere", "t", "unmapped");
  rule("and nothing was made", "ENOENT", "lstat", "e", "type");
}

/** The folder, mounted over itself: the check is made for the mount, whatever the file system. */
function readOnly(script: Script): void {
  script.prepare("mkdir", "ro");
  script.prepare("create", "ro/file");
  script.prepare("symlink", "file", "ro/l");
  script.prepare("mount", "ro", "ro", "", MS_BIND);
  try {
    script.prepare("mount", "", "ro", "", MS_REMOUNT | MS_BIND | MS_RDONLY);
    const rule = script.rule.bind(script);
    rule("read-only: symlink", "EROFS", "symlink", "x", "ro/m");
    rule("read-only, and it is there", "EEXIST", "symlink", "x", "ro/l");
    rule("read-only: unlink", "EROFS", "unlink", "ro/l");
    rule("read-only: rename", "EROFS", "rename", "ro/l", "ro/m");
    rule("read-only: lchown", "EROFS", "lchown", "ro/l", 1, 1);
    rule("read-only: times of the link", "EROFS", "utimesAt", "ro/l", 1, 2, 0x100);
    rule("reading is free", "file", "readlink", "ro/l");
  } finally {
    script.value("unmount", "ro");
  }
}

/** A file system of its own, a tmpfs, with room for its root and three files. */
function full(script: Script): void {
  script.prepare("mkdir", "full");
  script.prepare("mount", "tmpfs", "full", "tmpfs", 0, "nr_inodes=4");
  try {
    for (const name of ["a", "b", "c"]) script.prepare("symlink", "x", `full/${name}`);
    const rule = script.rule.bind(script);
    rule("no inode is left", "ENOSPC", "symlink", "x", "full/d");
    rule("and nothing was made", "ENOENT", "lstat", "full/d", "type");
    rule("a rename needs none", "0", "rename", "full/a", "full/d");
    script.prepare("unlink", "full/b");
    rule("one has become free", "0", "symlink", "x", "full/a");
  } finally {
    script.value("unmount", "full");
  }
}

function immutable(script: Script): void {
  script.prepare("mkdir", "fixed");
  script.prepare("symlink", "x", "fixed/l");
  script.prepare("setImmutable", "fixed", true);
  try {
    const rule = script.rule.bind(script);
    rule(
      "immutable folder: symlink (kernels before 5.18: EACCES)",
      "EPERM",
      "symlink",
      "x",
      "fixed/m",
    );
    rule("immutable folder: unlink", "EPERM", "unlink", "fixed/l");
    rule("immutable folder: rename", "EPERM", "rename", "fixed/l", "m");
    rule("immutable folder: over it", "EEXIST", "symlink", "x", "fixed/l");
    rule("reading is free", "x", "readlink", "fixed/l");
    rule("the link itself is not immutable", "0", "lchown", "fixed/l", 0, 0);
  } finally {
    script.value("setImmutable", "fixed", false);
  }
}

/** Mounting wants a right that root may lack, in a container. */
function mountsMissing(script: Script): string | undefined {
  script.value("mkdir", "probe");
  const answer = script.value("mount", "probe", "probe", "", MS_BIND);
  if (answer !== "0") return `no mounting here: ${answer}`;
  script.value("unmount", "probe");
  return undefined;
}

function immutableMissing(script: Script): string | undefined {
  script.value("mkdir", "probe2");
  const answer = script.value("setImmutable", "probe2", true);
  if (answer !== "0") return `no immutable folders here: ${answer}`;
  script.value("setImmutable", "probe2", false);
  return undefined;
}

function sticky(script: Script): void {
  script.prepare("mkdir", "t", 0o777);
  script.prepare("chmod", "t", 0o1777);
  script.prepare("create", "t/file");
  script.prepare("chmod", "t/file", 0o666);
  script.prepare("symlink", "file", "t/root");
  const rule = script.ruleAs(NOBODY);
  rule("anybody makes a link", "0", "symlink", "file", "t/own");
  rule("another's link: unlink", "EPERM", "unlink", "t/root");
  rule("another's link: rename", "EPERM", "rename", "t/root", "t/x");
  rule("another's link is replaced by none", "EPERM", "rename", "t/own", "t/root");
  rule("another's link is no file to link to", "EEXIST", "symlink", "x", "t/root");
  rule("the own link: rename", "0", "rename", "t/own", "t/mine");
  rule("the own link: unlink", "0", "unlink", "t/mine");
  rule("another's link is read", "file", "readlink", "t/root");
  script.rule("root takes another's", "0", "unlink", "t/root");
  protectedLinks(script);
}

/** fs.protected_symlinks: in a sticky folder, a link is followed by its owner, or if it is the folder's owner's. */
function protectedLinks(script: Script): void {
  script.prepare("symlink", "file", "t/roots");
  script.prepare("symlink", "file", "t/others");
  script.prepare("lchown", "t/others", 65533, 65533);
  script.prepare("symlink", "file", "t/nobodys");
  script.prepare("lchown", "t/nobodys", 65534, 65534);
  const isProtected = readFileSync("/proc/sys/fs/protected_symlinks", "utf8").trim() !== "0";
  const words = "a third one's link is followed as fs.protected_symlinks says";
  script.check(words, "as it says", () => {
    const answer = withIdentity(NOBODY, () => script.value("stat", "t/others", "type"));
    return answer === (isProtected ? "EACCES" : "regular") ? "as it says" : answer;
  });
  const rule = script.ruleAs(NOBODY);
  rule("the folder's owner's link is followed", "regular", "stat", "t/roots", "type");
  rule("the own link is followed", "regular", "stat", "t/nobodys", "type");
  rule("a third one's is read", "file", "readlink", "t/others");
  rule("and described", "symlink", "lstat", "t/others", "type");
  script.prepare("chmod", "t", 0o777);
  rule("without the sticky bit it is followed", "regular", "stat", "t/others", "type");
  rule("and can be removed", "0", "unlink", "t/others");
}
