import * as assert from "uvu/assert";
import { buildFailure, isObjectLine } from "../../../../image-builder/kernels/compiler-output.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("compiler output");

test("what makes an object file counts, nothing else does", () => {
  const objects = [
    "  CC      kernel/fork.o",
    "  AS      arch/x86/entry/entry_64.o",
    "  AR      kernel/built-in.a",
    "  LD      arch/x86/boot/setup.o",
    "  CC      /cache/linux/tools/objtool/check.o",
  ];
  for (const line of objects) assert.ok(isObjectLine(line), line);
  const others = [
    "  HOSTCC  scripts/basic/fixdep",
    "  HOSTCC  scripts/kconfig/conf.o",
    "  CALL    scripts/checksyscalls.sh",
    "  LD      vmlinux",
    "  BUILD   arch/x86/boot/bzImage",
    "kernel/fork.c: In function 'fork':",
    "",
  ];
  for (const line of others) assert.not(isObjectLine(line), line);
});

test("the compiler's complaint is the reason, before make's", () => {
  const lines = [
    "make[3]: *** [scripts/Makefile.build:250: kernel/fork.o] Error 1",
    "kernel/fork.c:7:10: fatal error: gelf.h: No such file or directory",
    "make: *** [Makefile:2000: .] Error 2",
  ];
  assert.equal(buildFailure(lines), { isDiskFull: false, reason: lines[1] });
  assert.is(buildFailure([lines[2] ?? ""]).reason, "make: *** [Makefile:2000: .] Error 2");
  assert.is(
    buildFailure(["ld: undefined reference to `main'"]).reason,
    "ld: undefined reference to `main'",
  );
  assert.is(buildFailure(["Killed", ""]).reason, "Killed");
  assert.is(buildFailure([]).reason, "it printed nothing");
});

test("a full disk is recognised in whatever program's words", () => {
  const line = "/tmp/ccY1.s: fatal error: error writing: No space left on device";
  assert.equal(buildFailure(["a.c:1: error: x", line, "make: *** Error 1"]), {
    isDiskFull: true,
    reason: line,
  });
  assert.ok(buildFailure(["cp: a: Disk quota exceeded"]).isDiskFull);
});

test.run();
