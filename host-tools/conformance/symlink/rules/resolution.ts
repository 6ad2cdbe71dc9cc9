/** S9, S10, S14: how many links, slashes behind them, and what their targets are relative to. */
import { constants } from "node:fs";
import { MAX_LINKS } from "../flags.ts";
import type { Script } from "../script.ts";
import { rules } from "./rules.ts";

const { O_DIRECTORY, O_RDONLY, O_CREAT, O_WRONLY } = constants;

export const resolutionRules = [
  rules({ id: "S9", title: "too many links", source: "path_resolution(7)", count: 16 }, many),
  rules(
    { id: "S10", title: "a slash at the end", source: "path_resolution(7), POSIX 4.16", count: 32 },
    slashes,
  ),
  rules(
    { id: "S14", title: "what a target is relative to", source: "path_resolution(7)", count: 16 },
    relative,
  ),
];

/** c1 names the file, c2 names c1, and so on. */
function many(script: Script): void {
  script.prepare("create", "c0");
  for (let length = 1; length <= MAX_LINKS + 1; length += 1) {
    script.prepare("symlink", `c${length - 1}`, `c${length}`);
  }
  const rule = script.rule.bind(script);
  rule("POSIX: at least 8", "regular", "stat", "c8", "type");
  rule("40 on Linux", "regular", "stat", `c${MAX_LINKS}`, "type");
  rule("not 41", "ELOOP", "stat", `c${MAX_LINKS + 1}`, "type");
  rule("lstat does not follow the last", "symlink", "lstat", `c${MAX_LINKS + 1}`, "type");
  rule("open of 40", "0", "open", `c${MAX_LINKS}`, O_RDONLY);
  rule("open of 41", "ELOOP", "open", `c${MAX_LINKS + 1}`, O_RDONLY);
  rule("chmod of 41", "ELOOP", "chmod", `c${MAX_LINKS + 1}`, 0o600);
  rule("readlink of 41", `c${MAX_LINKS}`, "readlink", `c${MAX_LINKS + 1}`);
  script.prepare("symlink", ".", "here");
  const path = (count: number): string => `${"here/".repeat(count)}c0`;
  rule("40 in one path", "regular", "stat", path(MAX_LINKS), "type");
  rule("41 in one path", "ELOOP", "stat", path(MAX_LINKS + 1), "type");
  rule("the last counts, too", "ELOOP", "stat", `${"here/".repeat(MAX_LINKS)}c1`, "type");
  rule("but not for lstat", "symlink", "lstat", `${"here/".repeat(MAX_LINKS)}c1`, "type");
  script.prepare("symlink", "self", "self");
  rule("a link to itself", "ELOOP", "stat", "self", "type");
  rule("below it", "ELOOP", "lstat", "self/x", "type");
  script.prepare("symlink", "./round/x", "round");
  rule("a link through itself", "ELOOP", "stat", "round", "type");
  rule("unlink of it", "0", "unlink", "round");
}

function slashes(script: Script): void {
  script.prepare("mkdir", "dir");
  script.prepare("create", "file");
  for (const [target, name] of [
    ...[["dir", "dirlink"] as const, ["file", "filelink"] as const],
    ["none", "dangling"] as const,
  ]) {
    script.prepare("symlink", target, name);
  }
  const rule = script.rule.bind(script);
  rule("lstat follows to the folder", "dir", "lstat", "dirlink/", "type");
  rule("several slashes are one", "dir", "lstat", "dirlink///", "type");
  rule("a dot does the same", "dir", "lstat", "dirlink/.", "type");
  rule("a file is no folder", "ENOTDIR", "lstat", "filelink/", "type");
  rule("nor with a dot", "ENOTDIR", "lstat", "filelink/.", "type");
  rule("stat of it", "ENOTDIR", "stat", "filelink/", "type");
  rule("nothing there", "ENOENT", "lstat", "dangling/", "type");
  rule("a plain file", "ENOTDIR", "lstat", "file/", "type");
  rule("open of a folder", "0", "open", "dirlink/", O_RDONLY | O_DIRECTORY);
  rule("open of a file", "ENOTDIR", "open", "filelink/", O_RDONLY);
  rule("O_CREAT", "EISDIR", "open", "dangling/", O_WRONLY | O_CREAT);
  rule("readlink", "EINVAL", "readlink", "dirlink/");
  rule("readlink of a file's", "ENOTDIR", "readlink", "filelink/");
  rule("unlink", "ENOTDIR", "unlink", "dirlink/");
  rule("unlink of a file's", "ENOTDIR", "unlink", "filelink/");
  rule("rmdir without", "ENOTDIR", "rmdir", "dirlink");
  rule("rmdir (POSIX: the folder goes)", "ENOTDIR", "rmdir", "dirlink/");
  rule("rename (POSIX: the folder moves)", "ENOTDIR", "rename", "dirlink/", "x");
  rule("rename of a file's", "ENOTDIR", "rename", "filelink/", "x");
  rule("a folder renamed to it (POSIX: may be made)", "ENOTDIR", "rename", "dir", "dangling/");
  rule("a file renamed to it", "ENOTDIR", "rename", "file", "filelink/");
  rule("mkdir without", "EEXIST", "mkdir", "dangling");
  rule("mkdir (POSIX: the folder is made)", "EEXIST", "mkdir", "dangling/");
  rule("mkdir where a folder is", "EEXIST", "mkdir", "dirlink/");
  rule("mkdir of a new name", "0", "mkdir", "new/");
  rule("symlink of a new name", "ENOENT", "symlink", "x", "newlink/");
  rule("symlink where a link is", "EEXIST", "symlink", "x", "dirlink/");
  rule("link to a new name", "ENOENT", "link", "file", "newlink/");
  rule("link of a folder's", "EPERM", "link", "dirlink/", "x");
  rule("truncate", "ENOTDIR", "truncate", "filelink/", 0);
  rule("chmod of a folder's", "0", "chmod", "dirlink/", 0o700);
  rule("all are as before", "dir", "readlink", "dirlink");
}

function relative(script: Script): void {
  for (const folder of ["a", "a/b", "c", "c/d"]) script.prepare("mkdir", folder);
  script.prepare("create", "c/d/file");
  script.prepare("create", "a/file");
  const inner = script.value("stat", "c/d/file", "inode");
  const outer = script.value("stat", "a/file", "inode");
  script.prepare("symlink", "../../c/d", "a/b/up");
  script.prepare("symlink", "../file", "a/b/near");
  script.prepare("symlink", "a/b", "ab");
  script.prepare("symlink", "ab/up", "far");
  const rule = script.rule.bind(script);
  rule("relative to the link's folder", outer, "stat", "a/b/near", "inode");
  rule("not to the caller's", outer, "stat", "ab/near", "inode");
  rule("up and down again", inner, "stat", "a/b/up/file", "inode");
  rule("through two links", inner, "stat", "far/file", "inode");
  rule("dot-dot is that of the target", outer, "stat", "ab/../file", "inode");
  rule("and not of the path's words", "ENOENT", "stat", "ab/../c", "type");
  rule("dot-dot of a target further away", "dir", "stat", "far/../d", "type");
  rule("dot-dot of it is not here", "ENOENT", "stat", "far/../ab", "type");
  rule("a dot changes nothing", inner, "stat", "./far/./file", "inode");
  script.prepare("symlink", "..", "a/b/dots");
  rule("a link to dot-dot", outer, "stat", "a/b/dots/file", "inode");
  script.prepare("symlink", "/", "root");
  script.check("an absolute target begins at the root", script.value("stat", "/", "inode"), () =>
    script.value("stat", "root", "inode"),
  );
  script.check("dot-dot of the root is the root", script.value("stat", "/", "inode"), () =>
    script.value("stat", "root/..", "inode"),
  );
  const here = script.value("realpath", ".");
  script.prepare("symlink", `${here}/c/d/file`, "absolute");
  rule("an absolute target", inner, "stat", "absolute", "inode");
  rule("realpath has no links", `${here}/c/d/file`, "realpath", "far/file");
  script.prepare("rename", "a/b", "c/b");
  rule("a moved link begins at its new folder", "ENOENT", "stat", "c/b/near", "type");
  rule("and may find the same", inner, "stat", "c/b/up/file", "inode");
}
