/** Two links that name each other: every call that has to go through them answers ELOOP; open/16 with them. */
import { constants } from "node:fs";
import type { Family, Script } from "../script.ts";
import { family } from "./family.ts";

const { O_CREAT, O_NOFOLLOW, O_RDONLY, O_RDWR, O_WRONLY } = constants;

export const loopFamilies: readonly Family[] = [
  below("open/12", (script, path) => script.expect("ELOOP", "open", path, O_RDONLY)),
  below("unlink/07", (script, path) => script.expect("ELOOP", "unlink", path)),
  below("rmdir/05", (script, path) => script.expect("ELOOP", "rmdir", path)),
  below("mkdir/07", (script, path) => script.expect("ELOOP", "mkdir", path, 0o755)),
  below("mkfifo/07", (script, path) => script.expect("ELOOP", "mkfifo", path, 0o644)),
  below("mknod/07", (script, path) => script.expect("ELOOP", "mknod", path, "fifo", 0o644)),
  below("truncate/07", (script, path) => script.expect("ELOOP", "truncate", path, 123)),
  below("ftruncate/07", (script, path) => script.expect("ELOOP", "ftruncate", path, 123)),
  family("link/08", 10, "ELOOP in either path of link", (script) => {
    inBothPaths(script, "link");
  }),
  family("rename/11", 10, "ELOOP in either path of rename", (script) => {
    inBothPaths(script, "rename");
  }),
  family("chmod/06", 8, "chmod answers ELOOP, also for the link itself", (script) => {
    inCircle(script, () => {
      for (const path of ["a", "b", "a/test", "b/test"]) {
        script.expect("ELOOP", "chmod", path, 0o644);
      }
    });
  }),
  family("chown/06", 10, "chown answers ELOOP, also for the link itself", (script) => {
    inCircle(script, () => {
      for (const path of ["a", "b", "a/test", "b/test"]) {
        script.expect("ELOOP", "chown", path, 65534, 65534);
      }
      script.expect("ELOOP", "lchown", "a/test", 65534, 65534);
      script.expect("ELOOP", "lchown", "b/test", 65534, 65534);
    });
  }),
  family("open/16", 6, "ELOOP for O_NOFOLLOW and a link (FreeBSD: EMLINK)", (script) => {
    script.expect("0", "symlink", "a", "b");
    script.expect("ELOOP", "open", "b", O_RDONLY | O_CREAT | O_NOFOLLOW, 0o644);
    script.expect("ELOOP", "open", "b", O_RDONLY | O_NOFOLLOW);
    script.expect("ELOOP", "open", "b", O_WRONLY | O_NOFOLLOW);
    script.expect("ELOOP", "open", "b", O_RDWR | O_NOFOLLOW);
    script.expect("0", "unlink", "b");
  }),
  family("rmdir/01", 14, "rmdir answers ENOTDIR for all but folders", noFolders),
];

function below(id: string, call: (script: Script, path: string) => void): Family {
  return family(id, 6, `${id.split("/")[0]} answers ELOOP below links in a circle`, (script) => {
    inCircle(script, () => {
      call(script, "a/test");
      call(script, "b/test");
    });
  });
}

function inCircle(script: Script, block: () => void): void {
  script.expect("0", "symlink", "a", "b");
  script.expect("0", "symlink", "b", "a");
  block();
  script.expect("0", "unlink", "a");
  script.expect("0", "unlink", "b");
}

function inBothPaths(script: Script, call: "link" | "rename"): void {
  inCircle(script, () => {
    script.expect("ELOOP", call, "a/test", "c");
    script.expect("ELOOP", call, "b/test", "c");
    script.expect("0", "create", "c", 0o644);
    script.expect("ELOOP", call, "c", "a/test");
    script.expect("ELOOP", call, "c", "b/test");
  });
  script.expect("0", "unlink", "c");
}

function noFolders(script: Script): void {
  script.expect("0", "mkdir", "a", 0o755);
  script.expect("0", "create", "a/b", 0o644);
  script.expect("ENOTDIR", "rmdir", "a/b/test");
  script.expect("0", "unlink", "a/b");
  script.expect("0", "rmdir", "a");
  script.expect("0", "create", "a", 0o644);
  script.expect("ENOTDIR", "rmdir", "a");
  script.expect("0", "unlink", "a");
  script.expect("0", "symlink", "b", "a");
  script.expect("ENOTDIR", "rmdir", "a");
  script.expect("0", "unlink", "a");
  script.expect("0", "mkfifo", "a", 0o644);
  script.expect("ENOTDIR", "rmdir", "a");
  script.expect("0", "unlink", "a");
}
