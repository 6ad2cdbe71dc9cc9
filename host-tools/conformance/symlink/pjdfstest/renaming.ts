/** rename: the link moves, not what it names; files and folders do not replace each other. */
import { identitiesMissing } from "../identity.ts";
import type { Script } from "../script.ts";
import { family } from "./family.ts";
import { create, FILE_TYPES, forEachType, NO_FOLDERS, remove } from "./file-type.ts";

export const renamingFamilies = [
  family("rename/00", 122, "rename moves the link, with its inode", moves),
  family("rename/13", 32, "ENOTDIR for a folder over something else", (script) => {
    besideFolder(script, "ENOTDIR", ["a", "b"]);
  }),
  family("rename/14", 32, "EISDIR for something else over a folder", (script) => {
    besideFolder(script, "EISDIR", ["b", "a"]);
  }),
  family("rename/20", 25, "EEXIST or ENOTEMPTY for a folder that is not empty", (script) => {
    script.expect("0", "mkdir", "a", 0o755);
    script.expect("0", "mkdir", "b", 0o755);
    forEachType(script, FILE_TYPES, (type) => {
      create(script, type, "b/c");
      script.expect("EEXIST|ENOTEMPTY", "rename", "a", "b");
      remove(script, type, "b/c");
    });
    script.expect("0", "rmdir", "b");
    script.expect("0", "rmdir", "a");
  }),
  family("rename/22", 30, "rename changes the ctime of what it moves", (script) => {
    script.expect("0", "mkdir", "d", 0o755);
    script.prepare("chdir", "d");
    forEachType(script, FILE_TYPES, (type) => {
      create(script, type, "a");
      const before = script.value("lstat", "a", "ctime");
      script.tick();
      script.expect("0", "rename", "a", "b");
      script.check(`the ctime of the moved ${type} is later than before`, "true", () => {
        return BigInt(script.value("lstat", "b", "ctime")) > BigInt(before);
      });
      remove(script, type, "b");
    });
    script.prepare("chdir", "..");
    script.expect("0", "rmdir", "d");
  }),
];

function besideFolder(
  script: Script,
  refusal: string,
  [from, to]: readonly [string, string],
): void {
  script.expect("0", "mkdir", "a", 0o755);
  forEachType(script, NO_FOLDERS, (type) => {
    create(script, type, "b");
    script.expect(refusal, "rename", from, to);
    script.expect("dir", "lstat", "a", "type");
    script.expect(type, "lstat", "b", "type");
    script.expect("0", "unlink", "b");
  });
  script.expect("0", "rmdir", "a");
}

/** Numbers 2 to 82 ask nothing about links: 75 of other files, 6 of folders. */
const OTHERS = 81;

function moves(script: Script): void {
  script.expect("0", "mkdir", "d", 0o755);
  script.prepare("chdir", "d");
  script.leaveOut(OTHERS);
  script.expect("0", "create", "a", 0o644);
  const file = script.value("lstat", "a", "inode");
  script.expect("regular,0644", "lstat", "a", "type,mode");
  script.expect("0", "symlink", "a", "b");
  const link = script.value("lstat", "b", "inode");
  script.expect(`regular,${file},0644`, "stat", "b", "type,inode,mode");
  script.expect(`symlink,${link}`, "lstat", "b", "type,inode");
  script.expect("0", "rename", "b", "c");
  script.expect(`regular,${file},0644`, "stat", "a", "type,inode,mode");
  script.expect("ENOENT", "lstat", "b", "type,mode");
  script.expect(`symlink,${link}`, "lstat", "c", "type,inode");
  script.expect("0", "unlink", "a");
  script.expect("0", "unlink", "c");
  forEachType(script, FILE_TYPES, (type) => {
    create(script, type, "a");
    const before = script.value("lstat", "a", "ctime");
    script.tick();
    script.unless(identitiesMissing(), () => {
      script.expectAs({ uid: 65534, gids: [0] }, "EACCES", "rename", "a", "b");
    });
    script.check(`a refused rename leaves the ctime of the ${type}`, before, () => {
      return script.value("lstat", "a", "ctime");
    });
    remove(script, type, "a");
  });
  script.prepare("chdir", "..");
  script.expect("0", "rmdir", "d");
}
