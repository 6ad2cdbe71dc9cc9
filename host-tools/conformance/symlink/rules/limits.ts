/** S11: lengths of names, paths and targets. */
import { NAME_MAX, PATH_MAX } from "../flags.ts";
import { rules } from "./rules.ts";

export const limitRules = [
  rules({ id: "S11", title: "lengths", source: "symlink(2), limits.h", count: 16 }, (script) => {
    const rule = script.rule.bind(script);
    const name = "n".repeat(NAME_MAX);
    rule("a name of 255 bytes", "0", "symlink", "x", name);
    rule("a name of 256 bytes", "ENAMETOOLONG", "symlink", "x", `${name}n`);
    rule("is counted in bytes, not characters", "ENAMETOOLONG", "symlink", "x", "ü".repeat(128));
    rule("so these are 254", "0", "symlink", "x", "ü".repeat(127));
    const target = "t".repeat(PATH_MAX - 1);
    rule("a target of 4095 bytes", "0", "symlink", target, "l");
    script.check("is read back whole", "true", () => script.value("readlink", "l") === target);
    rule("a target of 4096 bytes", "ENAMETOOLONG", "symlink", `${target}t`, "m");
    rule("and nothing was made", "ENOENT", "lstat", "m", "type");
    rule("following a name that is too long", "ENAMETOOLONG", "stat", "l", "type");
    rule("a target may hold a name that is too long", "0", "symlink", `${name}n`, "long");
    rule("which is refused when it is followed", "ENAMETOOLONG", "stat", "long", "type");
    rule("and on the way", "ENAMETOOLONG", "stat", "long/x", "type");
    const dots = "./".repeat(PATH_MAX / 2 - 1);
    rule("a path of 4095 bytes", "0", "symlink", "x", `${dots}y`);
    rule("a path of 4096 bytes", "ENAMETOOLONG", "symlink", "x", `${dots}/yy`);
    // 4093 bytes of target and what follows in the path: each is short enough.
    script.prepare("symlink", dots.slice(0, -1), "far");
    script.prepare("create", "file");
    const rest = "./".repeat(1000);
    rule("a path is not measured after a link", "regular", "stat", `far/${rest}file`, "type");
    rule("also with several", "regular", "stat", `far/far/far/${rest}file`, "type");
  }),
];
