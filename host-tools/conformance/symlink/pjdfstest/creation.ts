/** symlink/00 to /08 and /12: what symlink(2) makes, and when it refuses. 09 to 11 are not run on Linux. */
import { NAME_MAX, PATH_MAX } from "../flags.ts";
import { identitiesMissing, NOBODY } from "../identity.ts";
import type { Script } from "../script.ts";
import { family } from "./family.ts";
import { create, FILE_TYPES, forEachType, remove } from "./file-type.ts";

export const creationFamilies = [
  family("symlink/00", 14, "symlink creates symbolic links", creates),
  family("symlink/01", 5, "ENOTDIR for a file in the path", (script) => {
    script.expect("0", "mkdir", "a", 0o755);
    script.expect("0", "create", "a/b", 0o644);
    script.expect("ENOTDIR", "symlink", "test", "a/b/test");
    script.expect("0", "unlink", "a/b");
    script.expect("0", "rmdir", "a");
  }),
  family("symlink/02", 7, "ENAMETOOLONG for a name beyond NAME_MAX", longNames),
  family("symlink/03", 6, "ENAMETOOLONG for a path beyond PATH_MAX", longPaths),
  family("symlink/04", 3, "ENOENT for a path with a folder that is not there", (script) => {
    script.expect("0", "mkdir", "a", 0o755);
    script.expect("ENOENT", "symlink", "test", "a/b/test");
    script.expect("0", "rmdir", "a");
  }),
  family("symlink/05", 12, "EACCES where the path may not be searched", (script) =>
    denied(script, 0o644),
  ),
  family("symlink/06", 12, "EACCES where the folder may not be written", (script) =>
    denied(script, 0o555),
  ),
  family("symlink/07", 6, "ELOOP for links in a circle", (script) => {
    script.expect("0", "symlink", "a", "b");
    script.expect("0", "symlink", "b", "a");
    script.expect("ELOOP", "symlink", "test", "a/test");
    script.expect("ELOOP", "symlink", "test", "b/test");
    script.expect("0", "unlink", "a");
    script.expect("0", "unlink", "b");
  }),
  family("symlink/08", 21, "EEXIST for whatever is there", (script) => {
    forEachType(script, FILE_TYPES, (type) => {
      create(script, type, "a");
      script.expect("EEXIST", "symlink", "test", "a");
      remove(script, type, "a");
    });
  }),
  family("symlink/12", 6, "EFAULT for addresses outside of the process", (script) => {
    script.expect("EFAULT", "symlinkNowhere", null, "a");
    script.expect("EFAULT", "symlinkNowhere", "unmapped", "a");
    script.expect("EFAULT", "symlinkNowhere", "test", null);
    script.expect("EFAULT", "symlinkNowhere", "test", "unmapped");
    script.expect("EFAULT", "symlinkNowhere", null, "unmapped");
    script.expect("EFAULT", "symlinkNowhere", "unmapped", null);
  }),
];

function creates(script: Script): void {
  script.expect("0", "create", "a", 0o644);
  script.expect("regular,0644", "lstat", "a", "type,mode");
  script.expect("0", "symlink", "a", "b");
  script.expect("symlink", "lstat", "b", "type");
  script.expect("regular,0644", "stat", "b", "type,mode");
  script.expect("0", "unlink", "a");
  script.expect("ENOENT", "stat", "b", "type,mode");
  script.expect("0", "unlink", "b");
  script.expect("0", "mkdir", "a", 0o755);
  const before = script.value("stat", "a", "ctime");
  script.tick();
  script.expect("0", "symlink", "test", "a/b");
  later(script, "the folder's mtime", before, "a", "mtime");
  later(script, "the folder's ctime", before, "a", "ctime");
  script.expect("0", "unlink", "a/b");
  script.expect("0", "rmdir", "a");
}

function later(script: Script, what: string, before: string, path: string, field: string): void {
  script.check(`${what} is later than before`, "true", () => {
    return BigInt(script.value("stat", path, field)) > BigInt(before);
  });
}

function longNames(script: Script): void {
  const longest = "n".repeat(NAME_MAX);
  script.expect("0", "symlink", longest, "a");
  script.expect("0", "unlink", "a");
  script.expect("0", "symlink", "a", longest);
  script.expect("0", "unlink", longest);
  script.expect("ENAMETOOLONG", "symlink", "a", `${longest}x`);
  script.expect("0", "symlink", `${longest}x`, "a");
  script.expect("0", "unlink", "a");
}

/** Folders of half the longest name, so deep that a path of PATH_MAX - 1 bytes ends in a name. */
function longPaths(script: Script): void {
  const folder = `${"d".repeat(127)}/`;
  const longest = folder.repeat(PATH_MAX / 128).slice(0, PATH_MAX - 1);
  const parts = longest.split("/");
  for (let depth = 1; depth < parts.length; depth += 1) {
    script.prepare("mkdir", parts.slice(0, depth).join("/"), 0o755);
  }
  script.expect("0", "symlink", longest, "a");
  script.expect("0", "unlink", "a");
  script.expect("0", "symlink", "a", longest);
  script.expect("0", "unlink", longest);
  script.expect("ENAMETOOLONG", "symlink", "a", `${longest}x`);
  script.expect("ENAMETOOLONG", "symlink", `${longest}x`, "a");
}

/** @param mode of the folder, with which its owner is refused */
function denied(script: Script, mode: number): void {
  script.unless(identitiesMissing(), () => denyNobody(script, mode));
}

function denyNobody(script: Script, mode: number): void {
  script.expect("0", "mkdir", "a", 0o755);
  script.prepare("chdir", "a");
  script.expect("0", "mkdir", "b", 0o755);
  script.expect("0", "chown", "b", 65534, 65534);
  script.expectAs(NOBODY, "0", "symlink", "test", "b/c");
  script.expectAs(NOBODY, "0", "unlink", "b/c");
  script.expect("0", "chmod", "b", mode);
  script.expectAs(NOBODY, "EACCES", "symlink", "test", "b/c");
  script.expect("0", "chmod", "b", 0o755);
  script.expectAs(NOBODY, "0", "symlink", "test", "b/c");
  if (mode === 0o555) script.expect("0", "unlink", "b/c");
  else script.expectAs(NOBODY, "0", "unlink", "b/c");
  script.expect("0", "rmdir", "b");
  script.prepare("chdir", "..");
  script.expect("0", "rmdir", "a");
}
