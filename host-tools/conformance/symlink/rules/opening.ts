/** S8: open(2) and links. */
import { constants } from "node:fs";
import { O_PATH } from "../flags.ts";
import type { Script } from "../script.ts";
import { rules } from "./rules.ts";

const { O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW } = constants;
const { O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = constants;

export const openingRules = [
  rules({ id: "S8", title: "open", source: "open(2), POSIX open()", count: 35 }, (script) => {
    script.prepare("create", "file");
    script.prepare("mkdir", "dir");
    script.prepare("create", "dir/inner");
    script.prepare("symlink", "file", "l");
    script.prepare("symlink", "dir", "d");
    script.prepare("symlink", "new", "dangling");
    script.prepare("symlink", "no/way", "lost");
    script.prepare("symlink", "loop", "loop");
    notFollowing(script);
    creating(script);
    pathOnly(script);
  }),
];

function notFollowing(script: Script): void {
  const rule = script.rule.bind(script);
  rule("a link is not followed (FreeBSD: EMLINK)", "ELOOP", "open", "l", O_RDONLY | O_NOFOLLOW);
  rule("for writing", "ELOOP", "open", "l", O_WRONLY | O_NOFOLLOW);
  rule("for both", "ELOOP", "open", "l", O_RDWR | O_NOFOLLOW);
  rule("for appending", "ELOOP", "open", "l", O_WRONLY | O_APPEND | O_NOFOLLOW);
  rule("with O_CREAT", "ELOOP", "open", "l", O_WRONLY | O_CREAT | O_NOFOLLOW);
  rule("with O_CREAT, to nothing", "ELOOP", "open", "dangling", O_WRONLY | O_CREAT | O_NOFOLLOW);
  rule("and nothing was made", "ENOENT", "lstat", "new", "type");
  rule("a link to a folder", "ELOOP", "open", "d", O_RDONLY | O_NOFOLLOW);
  const folder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
  rule("wanted as a folder (POSIX: ELOOP)", "ENOTDIR", "open", "d", folder);
  rule("a file is opened", "0", "open", "file", O_RDONLY | O_NOFOLLOW);
  rule("a folder is opened", "0", "open", "dir", folder);
  rule("links on the way are followed", "0", "open", "d/inner", O_RDONLY | O_NOFOLLOW);
  rule("with a slash it is on the way", "0", "open", "d/", folder);
  rule("a link to a file as a folder", "ENOTDIR", "open", "l", O_RDONLY | O_DIRECTORY);
  rule("a link to a folder as a folder", "0", "open", "d", O_RDONLY | O_DIRECTORY);
  rule("a link to a folder for writing", "EISDIR", "open", "d", O_WRONLY);
  rule("a link to itself", "ELOOP", "open", "loop", O_RDONLY);
  rule("a link to itself that is not followed", "ELOOP", "open", "loop", O_RDONLY | O_NOFOLLOW);
}

function creating(script: Script): void {
  const rule = script.rule.bind(script);
  const exclusive = O_WRONLY | O_CREAT | O_EXCL;
  rule("O_EXCL and a link to a file", "EEXIST", "open", "l", exclusive);
  rule("O_EXCL and a link to nothing", "EEXIST", "open", "dangling", exclusive);
  rule("O_EXCL and a link to itself", "EEXIST", "open", "loop", exclusive);
  rule("and nothing was made", "ENOENT", "lstat", "new", "type");
  rule("O_CREAT alone makes what the link names", "0", "open", "dangling", O_WRONLY | O_CREAT);
  rule("a file of that name", "regular", "lstat", "new", "type");
  rule("the link is as before", "new", "readlink", "dangling");
  rule("not below a folder that is not there", "ENOENT", "open", "lost", O_WRONLY | O_CREAT);
  rule("O_CREAT and a link to itself", "ELOOP", "open", "loop", O_WRONLY | O_CREAT);
  rule("O_CREAT and a link to a folder", "EISDIR", "open", "d", O_WRONLY | O_CREAT);
  script.prepare("openAndWrite", "file", O_WRONLY, "content");
  rule("O_TRUNC follows", "0", "open", "l", O_WRONLY | O_TRUNC);
  rule("and empties the file", "0", "stat", "file", "size");
}

function pathOnly(script: Script): void {
  const rule = script.rule.bind(script);
  const link = O_PATH | O_NOFOLLOW;
  rule("O_PATH with O_NOFOLLOW opens the link", "symlink", "openAndRead", "l", link, "type");
  rule("O_PATH alone opens the file", "regular", "openAndRead", "l", O_PATH, "type");
  rule("the open link can be read", "file", "readlinkAt", "l", link, "");
  rule("but has no content", "EBADF", "openAndRead", "l", link, "content");
  rule("and is no folder", "ENOTDIR", "open", "d", link | O_DIRECTORY);
}
