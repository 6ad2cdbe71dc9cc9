/** What programs need beside their libraries: first lines of scripts, tables, notes, traced runs. */
import { chmod, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import * as fc from "fast-check";
import * as assert from "uvu/assert";
import { ImageError } from "../../../../image-builder/errors.ts";
import { dlopenNotes } from "../../../../image-builder/runtimes/elf-notes.ts";
import { linkedFile } from "../../../../image-builder/runtimes/linked-entries.ts";
import { ProgramFiles } from "../../../../image-builder/runtimes/program-files.ts";
import {
  localePaths,
  nameServiceLibraries,
  needsOf,
} from "../../../../image-builder/runtimes/program-needs.ts";
import { programOfEnv, scriptHead } from "../../../../image-builder/runtimes/script-interpreter.ts";
import { mergeTraceLock, readTraceLock } from "../../../../image-builder/runtimes/trace-lock.ts";
import { tracedPaths } from "../../../../image-builder/runtimes/trace-output.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";
import { dlopenNote } from "./elf-fixture.ts";

const test = suite("native programs");

const head = (text: string) => scriptHead(Buffer.from(text));

test("reads the first line of a script as Linux does", () => {
  assert.equal(head("#!/bin/sh\necho"), { interpreter: "/bin/sh", argument: undefined });
  assert.equal(head("#! /usr/bin/env  python3 \n"), {
    interpreter: "/usr/bin/env",
    argument: "python3",
  });
  assert.equal(head("#!/bin/awk -f -v"), { interpreter: "/bin/awk", argument: "-f -v" });
  for (const text of ["", "#", "#!", "#!  \n", "\x7fELF", `#!/${"x".repeat(300)}`]) {
    assert.is(head(text), undefined, text.slice(0, 8));
  }
  assert.is(programOfEnv("python3"), "python3");
  assert.is(programOfEnv("-S python3 -u"), "python3");
  assert.is(programOfEnv("-S A=1 perl -w"), "perl");
  assert.is(programOfEnv("-S"), undefined);
});

test("name services and locales give the files that glibc opens for them", () => {
  const text = "passwd: files systemd # local\nhosts: files [NOTFOUND=return] dns\n";
  assert.equal(nameServiceLibraries(text), [
    "libnss_dns.so.2",
    "libnss_files.so.2",
    "libnss_systemd.so.2",
  ]);
  assert.equal(localePaths({ LANG: "C.UTF-8", PATH: "/bin" }), []);
  assert.equal(localePaths({ LC_ALL: "de_DE.UTF-8" }), [
    "/usr/lib/locale/locale-archive",
    "/usr/lib/locale/de_DE.utf8",
  ]);
  assert.equal(localePaths({ LANG: "../../etc" }), []);
});

const NO_TRAITS = {
  programs: ["/app/x"],
  libraries: new Map<string, string>(),
  symbols: new Set<string>(),
};

test("rows apply by program, library and symbol", () => {
  assert.equal(needsOf(NO_TRAITS), []);
  const titles = (traits: Partial<typeof NO_TRAITS>) =>
    needsOf({ ...NO_TRAITS, ...traits }).map(({ title }) => title.split(":")[0]);
  assert.equal(titles({ programs: ["/usr/bin/perl"] }), ["Perl"]);
  assert.equal(titles({ programs: ["/usr/bin/python3.11"] }), ["Python"]);
  assert.equal(titles({ libraries: new Map([["libssl.so.3", "/lib/libssl.so.3"]]) }), ["TLS"]);
  assert.equal(titles({ symbols: new Set(["iconv_open"]) }), ["glibc"]);
});

test("what belongs to a program is looked for where it is installed", () => {
  const taken = (programs: readonly string[], libraries: readonly (readonly [string, string])[]) =>
    needsOf({ ...NO_TRAITS, programs, libraries: new Map(libraries) }).map(
      ({ takes }) => takes?.[0],
    );
  assert.equal(
    taken(
      ["/usr/bin/python3.11", "/home/a/.pyenv/versions/3.12.1/bin/python3", "/usr/bin/python3"],
      [],
    ),
    ["/usr/lib/python3.*", "/home/a/.pyenv/versions/3.12.1/lib/python3.*"],
  );
  for (const folder of ["/lib", "/usr/lib", "/usr/lib64", "/lib/x86_64-linux-gnu"]) {
    const library = ["libpython3.11.so.1.0", `${folder}/libpython3.11.so.1.0`] as const;
    assert.equal(taken(["/usr/bin/gdb"], [library]), ["/usr/lib/python3.*"], folder);
  }
  const java = ["libjli.so", "/usr/lib/jvm/java-17/bin/../lib/libjli.so"] as const;
  assert.equal(taken([], [java]), ["/usr/lib/jvm/java-17/lib/modules"]);
  assert.equal(taken([], [["libjli.so", "/opt/java-8/lib/amd64/jli/libjli.so"]]), []);
});

test("dlopen notes give alternatives and priority; others and damaged ones are passed over", () => {
  const json = '[{"soname":["libz.so.1","libz.so"],"priority":"required","feature":"zip"}]';
  const bytes = Buffer.concat([
    dlopenNote("x", "GNU\0", 3),
    dlopenNote("{"),
    dlopenNote(json),
    dlopenNote('[{"soname":"a"}]'),
  ]);
  assert.equal(dlopenNotes(bytes, 4), [
    { sonames: ["libz.so.1", "libz.so"], priority: "required", feature: "zip" },
    { sonames: ["a"], priority: "recommended", feature: undefined },
  ]);
  assert.equal(dlopenNotes(dlopenNote('[{"soname":["../x"]}, 3, null]'), 4), []);
  void fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(0, 4, 8), (noise, alignment) => {
      assert.ok(Array.isArray(dlopenNotes(Buffer.concat([noise, bytes]), alignment)));
    }),
  );
});

test("of a traced run, what was read and what was started counts", () => {
  const text = [
    'openat(AT_FDCWD</srv>, "/usr/lib/x.so", O_RDONLY|O_CLOEXEC) = 3</usr/lib/x.so.1>',
    'openat(AT_FDCWD</srv>, "data/\\303\\244 \\"b\\"", O_RDONLY) = 4</srv/data/x>',
    'openat(5</srv/data>, "inner", O_RDONLY) = 6</srv/data/inner>',
    'openat(AT_FDCWD</srv>, "/gone", O_RDONLY) = -1 ENOENT (No such file or directory)',
    'openat(AT_FDCWD</srv>, "/log", O_WRONLY|O_CREAT, 0666) = 3</log>',
    'execve("/bin/sh", ["sh"], 0x7ffc /* 9 vars */) = 0',
    'execve("/bin/none", ["none"], 0x7ffc /* 9 vars */) = -1 ENOENT (No such file)',
    "+++ exited with 0 +++",
  ].join("\n");
  assert.equal(tracedPaths(text, "/srv"), [
    "/usr/lib/x.so",
    '/srv/data/ä "b"',
    "/srv/data/inner",
    "/bin/sh",
  ]);
});

test("the lock file is merged, ordered, and refused when it is something else", async () => {
  await using folder = await temporaryFolder();
  assert.equal(readTraceLock(folder.path), {});
  await mergeTraceLock(folder.path, "/app/b", ["/usr/lib/b", "/usr/lib/a"]);
  await mergeTraceLock(folder.path, "/app/a", ["/etc/x"]);
  await mergeTraceLock(folder.path, "/app/b", ["/usr/lib/c"]);
  assert.equal(readTraceLock(folder.path), {
    "/app/a": ["/etc/x"],
    "/app/b": ["/usr/lib/a", "/usr/lib/b", "/usr/lib/c"],
  });
  const file = folder.file("windlass.lock.json");
  assert.match(await readFile(file, "utf8"), /^\{\n {2}"lockVersion": 1,/);
  for (const text of ["", "[]", "{}", '{"lockVersion":1,"programs":{"/a":["/x/../../etc"]}}']) {
    await writeFile(file, text);
    assert.throws(
      () => readTraceLock(folder.path),
      (error: unknown) => error instanceof ImageError && error.code === "WL_IMAGE_MANIFEST_INVALID",
    );
  }
});

test("links on the way to a file are kept; a loop of them is an error", async () => {
  await using folder = await temporaryFolder();
  await mkdir(folder.file("real"));
  await writeFile(folder.file("real/lib.so.1.2"), "x");
  await symlink("lib.so.1.2", folder.file("real/lib.so.1"));
  await symlink("../real/lib.so.1", folder.file("real/lib.so"));
  const { entries, guestPath } = linkedFile(folder.file("real/lib.so"), "/opt/a/lib.so");
  assert.equal(
    entries.map((entry) => [entry.path, entry.kind === "symlink" ? entry.target : entry.kind]),
    [
      ["/opt/a/lib.so", "../real/lib.so.1"],
      ["/opt/real/lib.so.1", "lib.so.1.2"],
      ["/opt/real/lib.so.1.2", "file"],
    ],
  );
  assert.is(guestPath, "/opt/real/lib.so.1.2");
  await symlink("loop", folder.file("loop"));
  assert.throws(() => linkedFile(folder.file("loop"), "/loop"), /links form a loop|ELOOP/);
});

test("a script brings its interpreters, and one that is missing is named", async () => {
  await using folder = await temporaryFolder();
  await writeFile(folder.file("outer"), "#!/app/inner -x\n");
  await writeFile(folder.file("inner"), "#!/usr/bin/env sh\n");
  await writeFile(folder.file("broken"), "#!/usr/bin/no-such-interpreter\n");
  await chmod(folder.file("outer"), 0o755);
  const files = new ProgramFiles(folder.path, undefined);
  await files.add(folder.file("outer"), "/app/outer");
  for (const path of ["/app/outer", "/app/inner", "/usr/bin/env"]) {
    assert.is(files.entries.get(path)?.kind, "file", path);
  }
  assert.ok(files.binaries.length >= 2, "env and the shell");
  const error: unknown = await files.add(folder.file("broken"), "/app/broken").catch((e) => e);
  assert.ok(error instanceof ImageError);
  assert.match(
    error.message,
    "its interpreter /usr/bin/no-such-interpreter is not on this machine",
  );
});

test.run();
