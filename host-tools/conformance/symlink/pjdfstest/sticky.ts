/**
 * Folders with the sticky bit: what is in one may be removed, moved or replaced by its owner and by the
 * folder's owner alone, and of a link it is the link's owner that counts. Numbers without a link are left out.
 */
import { type Identity, identitiesMissing, NOBODY } from "../identity.ts";
import type { Script } from "../script.ts";
import { family } from "./family.ts";
import { create, type FileType, NO_FOLDERS, type Owner } from "./file-type.ts";

const USER: Owner = { uid: 65534, gid: 65534 };
const OTHERS: readonly Owner[] = [
  { uid: 0, gid: 0 },
  { uid: 65533, gid: 65533 },
];
const AS: Identity = NOBODY;

/** Who owns the sticky folder, and who the file in it that is asked about. */
interface Owners {
  readonly folder: Owner;
  readonly file: Owner;
  readonly isAllowed: boolean;
}

const ALL_OWNERS: readonly Owners[] = [
  { folder: USER, file: USER, isAllowed: true },
  ...OTHERS.map((file) => ({ folder: USER, file, isAllowed: true })),
  ...OTHERS.map((folder) => ({ folder, file: USER, isAllowed: true })),
  ...OTHERS.map((other) => ({ folder: other, file: other, isAllowed: false })),
];

export const stickyFamilies = [
  family("unlink/11", 270, "unlink in a sticky folder", (script) =>
    script.unless(identitiesMissing(), () => unlinks(script)),
  ),
  family("rename/09", 2353, "rename out of a sticky folder", (script) =>
    script.unless(identitiesMissing(), () => renamesOut(script)),
  ),
  family("rename/10", 2099, "rename over a file in a sticky folder", (script) =>
    script.unless(identitiesMissing(), () => renamesOver(script)),
  ),
];

/** Assertions about one file in unlink/11. */
const UNLINK_NUMBERS = 44;

function unlinks(script: Script): void {
  script.expect("0", "mkdir", "d", 0o755);
  script.prepare("chdir", "d");
  script.expect("0", "mkdir", "a", 0o755);
  script.expect("0", "chmod", "a", 0o1777);
  script.expect("0", "chown", "a", 65534, 65534);
  for (const type of NO_FOLDERS) {
    if (type !== "symlink") {
      script.leaveOut(UNLINK_NUMBERS);
      continue;
    }
    for (const { folder, file, isAllowed } of ALL_OWNERS) {
      const facts = `symlink,${file.uid},${file.gid}`;
      script.expect("0", "chown", "a", folder.uid, folder.gid);
      create(script, type, "a/b", { owner: file });
      script.expect(facts, "lstat", "a/b", "type,uid,gid");
      script.expectAs(AS, isAllowed ? "0" : "EACCES|EPERM", "unlink", "a/b");
      script.expect(isAllowed ? "ENOENT" : facts, "lstat", "a/b", "type,uid,gid");
      if (!isAllowed) script.expect("0", "unlink", "a/b");
    }
  }
  script.expect("0", "rmdir", "a");
  script.prepare("chdir", "..");
  script.expect("0", "rmdir", "d");
}

/** What rename/09 and /10 ask about folders in sticky folders. */
const RENAME_09_FOLDERS = 100;
const RENAME_10_FOLDERS = 51;

/** "a" is sticky and holds the file that is to go to "b", over nothing or over another file. */
function renamesOut(script: Script): void {
  script.expect("0", "mkdir", "d", 0o755);
  script.prepare("chdir", "d");
  script.expect("0", "mkdir", "a", 0o755);
  script.expect("0", "chmod", "a", 0o1777);
  script.expect("0", "chown", "a", 65534, 65534);
  script.expect("0", "mkdir", "b", 0o755);
  script.expect("0", "chown", "b", 65534, 65534);
  for (const type of NO_FOLDERS) {
    for (const { folder, file, isAllowed } of ALL_OWNERS) {
      script.expect("0", "chown", "a", folder.uid, folder.gid);
      create(script, type, "a/from", { owner: file });
      for (const over of ["none", ...NO_FOLDERS] as const) {
        if (type !== "symlink" && over !== "symlink") {
          const made = over === "none" ? 0 : 2;
          script.leaveOut(made + (isAllowed ? 6 : 2 + made));
          continue;
        }
        if (over !== "none") create(script, over, "b/to", { owner: USER });
        if (isAllowed) thereAndBack(script, `,${file.uid},${file.gid}`);
        else refusedOut(script, over, file);
      }
      script.expect("0", "unlink", "a/from");
    }
  }
  script.leaveOut(RENAME_09_FOLDERS);
  endRename(script);
}

function thereAndBack(script: Script, owner: string): void {
  const inode = script.value("lstat", "a/from", "inode");
  const fields = owner === "" ? "inode" : "inode,uid,gid";
  script.expectAs(AS, "0", "rename", "a/from", "b/to");
  script.expect("ENOENT", "lstat", "a/from", "inode");
  script.expect(`${inode}${owner}`, "lstat", "b/to", fields);
  script.expectAs(AS, "0", "rename", "b/to", "a/from");
  script.expect(inode, "lstat", "a/from", "inode");
  script.expect("ENOENT", "lstat", "b/to", "inode");
}

function refusedOut(script: Script, over: FileType | "none", { uid, gid }: Owner): void {
  const inode = script.value("lstat", "a/from", "inode");
  script.expectAs(AS, "EACCES|EPERM", "rename", "a/from", "b/to");
  script.expect(`${inode},${uid},${gid}`, "lstat", "a/from", "inode,uid,gid");
  if (over === "none") return;
  script.expect("65534,65534", "lstat", "b/to", "uid,gid");
  script.expect("0", "unlink", "b/to");
}

/** "b" is sticky and holds the file that is to be replaced by the one in "a". */
function renamesOver(script: Script): void {
  script.expect("0", "mkdir", "d", 0o755);
  script.prepare("chdir", "d");
  script.expect("0", "mkdir", "a", 0o755);
  script.expect("0", "chown", "a", 65534, 65534);
  script.expect("0", "mkdir", "b", 0o755);
  script.expect("0", "chmod", "b", 0o1777);
  for (const type of NO_FOLDERS) {
    for (const { folder, file, isAllowed } of ALL_OWNERS) {
      script.expect("0", "chown", "b", folder.uid, folder.gid);
      create(script, type, "a/from", { owner: USER });
      for (const over of NO_FOLDERS) {
        if (type !== "symlink" && over !== "symlink") {
          script.leaveOut(isAllowed ? 8 : 6);
          continue;
        }
        create(script, over, "b/to", { owner: file });
        if (isAllowed) thereAndBack(script, "");
        else refusedOver(script, file);
      }
      script.expect("0", "unlink", "a/from");
    }
  }
  script.leaveOut(RENAME_10_FOLDERS);
  endRename(script);
}

function refusedOver(script: Script, { uid, gid }: Owner): void {
  const inode = script.value("lstat", "a/from", "inode");
  script.expectAs(AS, "EACCES|EPERM", "rename", "a/from", "b/to");
  script.expect(inode, "lstat", "a/from", "inode");
  script.expect(`${uid},${gid}`, "lstat", "b/to", "uid,gid");
  script.expect("0", "unlink", "b/to");
}

function endRename(script: Script): void {
  script.expect("0", "rmdir", "b");
  script.expect("0", "rmdir", "a");
  script.prepare("chdir", "..");
  script.expect("0", "rmdir", "d");
}
