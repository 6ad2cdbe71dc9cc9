/** chown follows a link and lchown does not; chmod follows. What is done to files by their own name is left out. */
import { type Identity, identitiesMissing } from "../identity.ts";
import type { Script } from "../script.ts";
import { family } from "./family.ts";
import { create, FILE_TYPES, type FileType, NO_LINKS, remove } from "./file-type.ts";

export const ownershipFamilies = [
  family("chown/00", 1280, "chown follows the link, lchown does not", (script) => {
    script.unless(identitiesMissing(), () => {
      script.expect("0", "mkdir", "d", 0o755);
      script.prepare("chdir", "d");
      for (const part of PARTS) part(script);
      script.prepare("chdir", "..");
      script.expect("0", "rmdir", "d");
    });
  }),
  family("chmod/00", 119, "chmod follows the link", (script) => {
    script.unless(identitiesMissing(), () => modes(script));
  }),
];

const PARTS: readonly ((script: Script) => void)[] = [
  ...[rootChanges, ownerChangesGroup, nobodyChangesNothing, rootAndSetUserId],
  ...[ownerAndSetUserId, newChangeTime, sameOwnerChangeTime, refusedChangeTime],
];

const user = (uid: number, ...gids: number[]): Identity => ({ uid, gids });

interface Part {
  /** Numbers before the link, and after it has gone, that ask about the file by its own name. */
  readonly before: number;
  readonly after: number;
  /** "a" is the file, "b" the link to it. */
  readonly through: (script: Script, type: FileType) => void;
  /** "a" is the link. Absent where Linux has nothing to ask. */
  readonly link?: (script: Script) => void;
}

function eachType(script: Script, { before, after, through, link }: Part): void {
  for (const type of FILE_TYPES) {
    if (type === "symlink") {
      if (!link) continue;
      create(script, type, "a");
      link(script);
      remove(script, type, "a");
      continue;
    }
    create(script, type, "a");
    script.leaveOut(before);
    script.expect("0", "symlink", "a", "b");
    through(script, type);
    script.expect("0", "unlink", "b");
    remove(script, type, "a");
    script.leaveOut(after);
  }
}

function owned(script: Script, owner: string): void {
  script.expect(owner, "stat", "a", "uid,gid");
  script.expect(owner, "stat", "b", "uid,gid");
}

function rootChanges(script: Script): void {
  eachType(script, {
    ...{ before: 4, after: 4 },
    through() {
      const link = script.value("lstat", "b", "uid,gid");
      script.expect("0", "chown", "b", 123, 456);
      script.expect("123,456", "stat", "b", "uid,gid");
      script.expect("123,456", "stat", "a", "uid,gid");
      script.expect(link, "lstat", "b", "uid,gid");
    },
    link() {
      script.expect("0", "lchown", "a", 123, 456);
      script.expect("123,456", "lstat", "a", "uid,gid");
    },
  });
}

function ownerChangesGroup(script: Script): void {
  const owner = user(65534, 65532, 65531);
  eachType(script, {
    ...{ before: 6, after: 8 },
    through() {
      const link = script.value("lstat", "b", "uid,gid");
      script.expect("0", "chown", "b", 65534, 65533);
      owned(script, "65534,65533");
      script.expect(link, "lstat", "b", "uid,gid");
      script.expectAs(owner, "0", "chown", "b", -1, 65532);
      owned(script, "65534,65532");
      script.expect(link, "lstat", "b", "uid,gid");
      script.expectAs(owner, "0", "chown", "b", 65534, 65531);
      owned(script, "65534,65531");
      script.expect(link, "lstat", "b", "uid,gid");
    },
    link() {
      script.expect("0", "lchown", "a", 65534, 65533);
      script.expect("65534,65533", "lstat", "a", "uid,gid");
      script.expectAs(owner, "0", "lchown", "a", -1, 65532);
      script.expect("65534,65532", "lstat", "a", "uid,gid");
      script.expectAs(owner, "0", "lchown", "a", 65534, 65531);
      script.expect("65534,65531", "lstat", "a", "uid,gid");
    },
  });
}

function nobodyChangesNothing(script: Script): void {
  const other = user(65534, 65534);
  eachType(script, {
    ...{ before: 2, after: 4 },
    through() {
      script.expectAs(other, "0", "chown", "b", -1, -1);
      script.expect("0,0", "stat", "a", "uid,gid");
      script.expect("0,0", "lstat", "b", "uid,gid");
    },
    link() {
      script.expectAs(other, "0", "lchown", "a", -1, -1);
      script.expect("0,0", "lstat", "a", "uid,gid");
    },
  });
}

function facts(script: Script, modes: string, owner: string): void {
  const expected = modes.split("|").map((mode) => `${mode},${owner}`);
  script.expect(expected.join("|"), "stat", "a", "mode,uid,gid");
  script.expect(expected.join("|"), "stat", "b", "mode,uid,gid");
}

function rootAndSetUserId(script: Script): void {
  eachType(script, {
    ...{ before: 9, after: 11 },
    through() {
      script.expect("0", "chown", "b", 65534, 65533);
      script.expect("0", "chmod", "b", 0o6555);
      facts(script, "6555", "65534,65533");
      script.expect("0", "chown", "b", 65532, 65531);
      facts(script, "6555|0555", "65532,65531");
      script.expect("0", "chmod", "b", 0o6555);
      facts(script, "6555", "65532,65531");
      script.expect("0", "chown", "b", 0, 0);
      facts(script, "6555|0555", "0,0");
    },
  });
}

/** Linux leaves both bits of a folder alone; pjdfstest counts that as a known fault. */
function ownerAndSetUserId(script: Script): void {
  const owner = user(65534, 65533, 65532);
  eachType(script, {
    ...{ before: 13, after: 15 },
    through(_script, type) {
      const cleared = type === "dir" ? "6555" : "0555";
      script.expect("0", "chown", "b", 65534, 65533);
      script.expect("0", "chmod", "b", 0o6555);
      facts(script, "6555", "65534,65533");
      script.expectAs(owner, "0", "chown", "b", 65534, 65532);
      facts(script, cleared, "65534,65532");
      script.expect("0", "chmod", "b", 0o6555);
      facts(script, "6555", "65534,65532");
      script.expectAs(owner, "0", "chown", "b", -1, 65533);
      facts(script, cleared, "65534,65533");
      script.expect("0", "chmod", "b", 0o6555);
      facts(script, "6555", "65534,65533");
      script.expectAs(owner, "0", "chown", "b", -1, -1);
      facts(script, "6555|0555", "65534,65533");
    },
  });
}

/** Asks whether a call changes the ctime of "a" or of what the link names. */
function changeTime(
  script: Script,
  call: "stat" | "lstat",
  path: string,
  isLater: boolean,
  block: () => void,
): void {
  const before = script.value(call, path, "ctime");
  script.tick();
  block();
  const words = isLater ? "is later than before" : "is as before";
  script.check(`the ctime of ${path} by ${call} ${words}`, "true", () => {
    const after = script.value(call, path, "ctime");
    return isLater ? BigInt(after) > BigInt(before) : after === before;
  });
}

function newChangeTime(script: Script): void {
  eachType(script, {
    ...{ before: 6, after: 8 },
    through() {
      changeTime(script, "stat", "b", true, () => {
        script.expect("0", "chown", "b", 65533, 65532);
        script.expect("65533,65532", "stat", "b", "uid,gid");
      });
      changeTime(script, "stat", "b", true, () => {
        script.expectAs(user(65533, 65531), "0", "chown", "b", 65533, 65531);
        script.expect("65533,65531", "stat", "b", "uid,gid");
      });
    },
    link() {
      changeTime(script, "lstat", "a", true, () => {
        script.expect("0", "lchown", "a", 65534, 65533);
        script.expect("65534,65533", "lstat", "a", "uid,gid");
      });
      changeTime(script, "lstat", "a", true, () => {
        script.expectAs(user(65534, 65532), "0", "lchown", "a", 65534, 65532);
        script.expect("65534,65532", "lstat", "a", "uid,gid");
      });
    },
  });
}

/** POSIX lets the times stay when neither owner is given; Linux changes them. */
function sameOwnerChangeTime(script: Script): void {
  eachType(script, {
    ...{ before: 3, after: 5 },
    through() {
      changeTime(script, "stat", "b", true, () => script.expect("0", "chown", "b", -1, -1));
      script.expect("0,0", "stat", "b", "uid,gid");
    },
    link() {
      changeTime(script, "lstat", "a", true, () => script.expect("0", "lchown", "a", -1, -1));
      script.expect("0,0", "lstat", "a", "uid,gid");
    },
  });
}

function refusedChangeTime(script: Script): void {
  const refused = (call: "chown" | "lchown", path: string): void => {
    script.expectAs(user(65534, 0), "EPERM", call, path, 65534, -1);
    script.expectAs(user(65534, 65534), "EPERM", call, path, -1, 65534);
    script.expectAs(user(65534, 65534), "EPERM", call, path, 65534, 65534);
  };
  eachType(script, {
    ...{ before: 5, after: 7 },
    through() {
      changeTime(script, "stat", "b", false, () => refused("chown", "b"));
      script.expect("0,0", "stat", "b", "uid,gid");
    },
    link() {
      changeTime(script, "lstat", "a", false, () => refused("lchown", "a"));
      script.expect("0,0", "lstat", "a", "uid,gid");
    },
  });
}

function modes(script: Script): void {
  script.expect("0", "mkdir", "d", 0o755);
  script.prepare("chdir", "d");
  for (const type of NO_LINKS) {
    create(script, type, "a");
    script.leaveOut(2);
    script.expect("0", "symlink", "a", "b");
    const link = script.value("lstat", "b", "mode");
    script.expect("0", "chmod", "b", 0o222);
    script.expect("0222", "stat", "b", "mode");
    script.expect("0222", "stat", "a", "mode");
    script.expect(link, "lstat", "b", "mode");
    script.expect("0", "unlink", "b");
    remove(script, type, "a");
  }
  // Times and the group bit of files.
  script.leaveOut(24 + 24 + 9);
  script.prepare("chdir", "..");
  script.expect("0", "rmdir", "d");
}
