/** EEXIST, where a link is one of the things that are there already. */
import { constants } from "node:fs";
import type { Script } from "../script.ts";
import { family } from "./family.ts";
import { create, FILE_TYPES, forEachType, remove } from "./file-type.ts";

const { O_CREAT, O_EXCL } = constants;

export const existingFamilies = [
  family("mkdir/10", 21, "mkdir answers EEXIST for whatever is there", (script) => {
    inTheWay(script, () => script.expect("EEXIST", "mkdir", "a", 0o755));
  }),
  family("mkfifo/09", 21, "mkfifo answers EEXIST for whatever is there", (script) => {
    inTheWay(script, () => script.expect("EEXIST", "mkfifo", "a", 0o644));
  }),
  family("mknod/08", 35, "mknod answers EEXIST for whatever is there", (script) => {
    inTheWay(script, () => {
      script.expect("EEXIST", "mknod", "a", "block", 0o644);
      script.expect("EEXIST", "mknod", "a", "char", 0o644);
      script.expect("EEXIST", "mknod", "a", "fifo", 0o644);
    });
  }),
  family("open/22", 21, "open answers EEXIST for O_CREAT with O_EXCL", (script) => {
    inTheWay(script, () => script.expect("EEXIST", "open", "a", O_CREAT | O_EXCL, 0o644));
  }),
  family("link/10", 23, "link answers EEXIST for whatever is there", (script) => {
    script.expect("0", "create", "b", 0o644);
    inTheWay(script, () => script.expect("EEXIST", "link", "b", "a"));
    script.expect("0", "unlink", "b");
  }),
];

function inTheWay(script: Script, block: () => void): void {
  forEachType(script, FILE_TYPES, (type) => {
    create(script, type, "a");
    block();
    remove(script, type, "a");
  });
}
