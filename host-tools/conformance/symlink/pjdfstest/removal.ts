/** unlink/00 and utimensat/05, as far as links are concerned. */
import { AT_SYMLINK_NOFOLLOW } from "../flags.ts";
import type { Script } from "../script.ts";
import { family } from "./family.ts";

export const removalFamilies = [
  family("unlink/00", 112, "unlink removes the link", unlinks),
  family("utimensat/05", 16, "utimensat follows links, and with a flag does not", times),
];

function unlinks(script: Script): void {
  script.expect("0", "mkdir", "d", 0o755);
  script.prepare("chdir", "d");
  script.leaveOut(4);
  script.expect("0", "symlink", "b", "a");
  script.expect("symlink", "lstat", "a", "type");
  script.expect("0", "unlink", "a");
  script.expect("ENOENT", "lstat", "a", "type");
  // Four other types; then times of files, not of links; then folders out of which other files go.
  script.leaveOut(16 + 25 + 20 + 30);
  script.expect("0", "mkdir", "a", 0o755);
  script.expect("0", "symlink", "test", "a/b");
  const before = script.value("stat", "a", "ctime");
  script.tick();
  script.expect("0", "unlink", "a/b");
  for (const field of ["mtime", "ctime"]) {
    script.check(`the folder's ${field} is later than before`, "true", () => {
      return BigInt(script.value("stat", "a", field)) > BigInt(before);
    });
  }
  script.expect("0", "rmdir", "a");
  script.leaveOut(5);
  script.prepare("chdir", "..");
  script.expect("0", "rmdir", "d");
}

function times(script: Script): void {
  script.expect("0", "mkdir", "d", 0o755);
  script.prepare("chdir", "d");
  script.expect("0", "create", "a", 0o644);
  script.prepare("symlink", "a", "b");
  script.expect("0", "utimesAt", "a", 1_900_000_000, 1_950_000_000, 0);
  script.expect("0", "utimesAt", "b", 1_960_000_000, 1_970_000_000, AT_SYMLINK_NOFOLLOW);
  script.expect("1900000000", "lstat", "a", "atime_s");
  script.expect("1950000000", "lstat", "a", "mtime_s");
  script.expect("1960000000", "lstat", "b", "atime_s");
  script.expect("1970000000", "lstat", "b", "mtime_s");
  script.expect("0", "utimesAt", "b", 1_980_000_000, 1_990_000_000, 0);
  script.expect("1980000000", "lstat", "a", "atime_s");
  script.expect("1990000000", "lstat", "a", "mtime_s");
  // Following the link may set its atime, but to the time of now.
  script.check("the link's atime is not the one given to the file", "true", () => {
    return script.value("lstat", "b", "atime_s") !== "1980000000";
  });
  script.expect("1970000000", "lstat", "b", "mtime_s");
  script.expect("0", "unlink", "a");
  script.expect("0", "unlink", "b");
  script.prepare("chdir", "..");
  script.expect("0", "rmdir", "d");
}
