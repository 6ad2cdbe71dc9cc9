import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as assert from "uvu/assert";
import { ImageError } from "../../../../image-builder/errors.ts";
import { classifyBinary } from "../../../../image-builder/runtimes/binary-kind.ts";
import { debianPackageOf } from "../../../../image-builder/runtimes/debian-package.ts";
import {
  type ClosureOptions,
  type ClosureRoot,
  libraryClosure,
} from "../../../../image-builder/runtimes/library-closure.ts";
import { suite } from "../../../support/suite.ts";
import { buildElf, type ElfFixture } from "./elf-fixture.ts";

const test = suite("library-closure");

/** A folder of files that is a whole system to the search: its own cache and default folders. */
class TestSystem implements AsyncDisposable {
  readonly root: string;
  readonly cache = new Map<string, string>();

  private constructor(root: string) {
    this.root = root;
  }

  static async create(files: Readonly<Record<string, ElfFixture>>): Promise<TestSystem> {
    const system = new TestSystem(await realpath(await mkdtemp(join(tmpdir(), "closure-"))));
    for (const [path, fixture] of Object.entries(files)) {
      await system.write(path, buildElf(system.#placed(fixture)));
    }
    return system;
  }

  path(path: string): string {
    return join(this.root, path);
  }

  async write(path: string, bytes: Uint8Array): Promise<void> {
    await mkdir(dirname(this.path(path)), { recursive: true });
    await writeFile(this.path(path), bytes);
  }

  /** Pairs of host path inside this system and guest path. */
  async closure(roots: (string | ClosureRoot)[], options: ClosureOptions = {}) {
    const placed = roots.map((root) =>
      typeof root === "string" ? this.path(root) : { ...root, hostPath: this.path(root.hostPath) },
    );
    const { libraries } = await libraryClosure(placed, {
      ldCache: this.cache,
      defaultDirectories: [this.path("lib"), this.path("usr/lib")],
      ...options,
    });
    return libraries.map(({ hostPath, guestPath }) => [
      hostPath.replace(this.root, ""),
      guestPath.replace(this.root, ""),
    ]);
  }

  async refusal(roots: string[], options: ClosureOptions = {}): Promise<ImageError> {
    const outcome: unknown = await this.closure(roots, options).catch((error: unknown) => error);
    if (!(outcome instanceof ImageError)) throw new Error("not refused", { cause: outcome });
    return outcome;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }

  /** "SYS" in a search path stands for this system's root. */
  #placed(fixture: ElfFixture): ElfFixture {
    const place = (text: string) => text.replaceAll("SYS", this.root);
    return {
      ...fixture,
      ...(fixture.rpath !== undefined && { rpath: place(fixture.rpath) }),
      ...(fixture.runpath !== undefined && { runpath: place(fixture.runpath) }),
      ...(fixture.interpreter !== undefined && { interpreter: place(fixture.interpreter) }),
    };
  }
}

const GUEST = "/lib/x86_64-linux-gnu";

test("follows needs breadth first, through cycles, each library once", async () => {
  await using system = await TestSystem.create({
    "bin/app": { type: 2, needed: ["liba.so", "libb.so"] },
    "lib/liba.so": { soname: "liba.so", needed: ["libb.so", "libc.so"] },
    "lib/libb.so": { soname: "libb.so", needed: ["liba.so", "libb.so"] },
    "usr/lib/libc.so": { soname: "libc.so", needed: ["liba.so", "ld-linux-x86-64.so.2"] },
  });
  assert.equal(await system.closure(["bin/app"]), [
    ["/lib/liba.so", `${GUEST}/liba.so`],
    ["/lib/libb.so", `${GUEST}/libb.so`],
    ["/usr/lib/libc.so", `${GUEST}/libc.so`],
  ]);
});

test("prefers the cache to the default folders, and survives a stale entry", async () => {
  await using system = await TestSystem.create({
    "bin/app": { type: 2, needed: ["liba.so", "libb.so"] },
    "lib/liba.so": {},
    "opt/liba.so": {},
    "lib/libb.so": {},
  });
  system.cache.set("liba.so", system.path("opt/liba.so"));
  system.cache.set("libb.so", system.path("gone/libb.so"));
  assert.equal(await system.closure(["bin/app"]), [
    ["/opt/liba.so", `${GUEST}/liba.so`],
    ["/lib/libb.so", `${GUEST}/libb.so`],
  ]);
});

test("DT_RPATH serves the libraries of libraries, DT_RUNPATH only the file's own needs", async () => {
  const library = { needed: ["libdeep.so"] };
  await using byRpath = await TestSystem.create({
    "bin/app": { type: 2, needed: ["liba.so"], rpath: "SYS/private" },
    "private/liba.so": library,
    "private/libdeep.so": {},
  });
  assert.is((await byRpath.closure(["bin/app"])).length, 2);

  await using byRunpath = await TestSystem.create({
    "bin/app": { type: 2, needed: ["liba.so"], runpath: "SYS/private" },
    "private/liba.so": library,
    "private/libdeep.so": {},
  });
  assert.match((await byRunpath.refusal(["bin/app"])).message, 'library "libdeep.so"');
});

test("a DT_RUNPATH silences the DT_RPATH of its own file, and of its loaders for it", async () => {
  await using system = await TestSystem.create({
    "bin/app": { type: 2, needed: ["liba.so"], rpath: "SYS/private" },
    "private/liba.so": { needed: ["libdeep.so"], rpath: "SYS/private", runpath: "SYS/none" },
    "private/libdeep.so": {},
    "lib/libdeep.so": {},
  });
  const found = await system.closure(["bin/app"]);
  assert.ok(found.some(([host]) => host === "/lib/libdeep.so"));
});

test("a DT_RPATH beside a DT_RUNPATH is not inherited either", async () => {
  await using system = await TestSystem.create({
    "bin/app": { type: 2, needed: ["liba.so"], rpath: "SYS/private", runpath: "SYS/none" },
    "lib/liba.so": { needed: ["libdeep.so"] },
    "private/libdeep.so": {},
    "lib/libdeep.so": {},
  });
  const found = await system.closure(["bin/app"]);
  assert.ok(found.some(([host]) => host === "/lib/libdeep.so"));
});

test("libraries beside the file ($ORIGIN) keep their place relative to it", async () => {
  await using system = await TestSystem.create({
    "project/addon/a.node": {
      needed: ["liba.so", "libb.so"],
      runpath: "$ORIGIN/../vendor:$ORIGIN",
    },
    "project/vendor/liba.so": {},
    "project/addon/libb.so": {},
  });
  const root = { hostPath: "project/addon/a.node", guestPath: "/app/addon/a.node" };
  assert.equal(await system.closure([root]), [
    ["/project/addon/libb.so", "/app/addon/libb.so"],
    ["/project/vendor/liba.so", "/app/vendor/liba.so"],
  ]);
  assert.equal(
    (await system.closure(["project/addon/a.node"])).map(([, guest]) => guest),
    [`${GUEST}/liba.so`, `${GUEST}/libb.so`],
    "without a place in the guest they go to the system's folder",
  );
});

test("a library found through an absolute path keeps it, except in a system folder", async () => {
  await using system = await TestSystem.create({
    "bin/app": { type: 2, needed: ["liba.so", "libb.so"], runpath: "SYS/opt/vendor:SYS/usr/lib" },
    "opt/vendor/liba.so": {},
    "usr/lib/libb.so": {},
  });
  assert.equal(await system.closure([{ hostPath: "bin/app", guestPath: "/bin/app" }]), [
    ["/usr/lib/libb.so", `${GUEST}/libb.so`],
    ["/opt/vendor/liba.so", "/opt/vendor/liba.so"],
  ]);
});

test("system libraries go where this machine keeps the C library", async () => {
  await using system = await TestSystem.create({
    "bin/app": { type: 2, needed: ["liba.so"] },
    "lib/libc.so.6": {},
    "usr/lib/liba.so": {},
  });
  assert.equal(await system.closure(["bin/app"]), [["/usr/lib/liba.so", "/lib/liba.so"]]);
});

test("takes the content behind symbolic links, under the name asked for", async () => {
  await using system = await TestSystem.create({
    "bin/app": { type: 2, needed: ["liba.so.1"] },
    "lib/liba.so.1.2.3": { soname: "liba.so.1" },
  });
  await symlink("liba.so.1.2.3", system.path("lib/liba.so.1"));
  assert.equal(await system.closure(["bin/app"]), [["/lib/liba.so.1.2.3", `${GUEST}/liba.so.1`]]);
});

test("goes on past a library for another machine, and says so when it was the only one", async () => {
  const foreign = { machine: 183 };
  await using system = await TestSystem.create({
    "bin/app": { type: 2, needed: ["liba.so"], runpath: "SYS/arm" },
    "arm/liba.so": foreign,
    "lib/liba.so": {},
    "bin/other": { type: 2, needed: ["libb.so"] },
    "lib/libb.so": foreign,
  });
  assert.equal(await system.closure(["bin/app"]), [["/lib/liba.so", `${GUEST}/liba.so`]]);
  assert.match((await system.refusal(["bin/other"])).message, "a 64-bit ARM64 shared library");
});

test("a missing library is named with who needs it and the package to install", async () => {
  await using system = await TestSystem.create({
    "app/a.node": { needed: ["liba.so"] },
    "lib/liba.so": { needed: ["libvips-cpp.so.42"] },
  });
  const error = await system.refusal(["app/a.node"]);
  assert.is(error.code, "WL_IMAGE_BINARY_INVALID");
  assert.is(
    error.message.replaceAll(system.root, ""),
    'Cannot find library "libvips-cpp.so.42", needed by "/lib/liba.so", loaded by "/app/a.node"',
  );
  assert.match(error.facts.next ?? "", "apt-get install libvips-cpp42");
});

test("a library named by a relative path is refused, with how to link it", async () => {
  await using system = await TestSystem.create({
    "bin/app": { type: 2, needed: ["lib/liba.so"] },
    "bin/lib/liba.so": {},
  });
  const error = await system.refusal(["bin/app"]);
  assert.match(error.message, 'Cannot find library "lib/liba.so"');
  assert.match(error.facts.next ?? "", "-soname");
});

test("an addon made for Alpine is told apart from a missing package", async () => {
  await using system = await TestSystem.create({
    "a.node": { needed: ["libc.musl-x86_64.so.1"] },
  });
  assert.match((await system.refusal(["a.node"])).facts.next ?? "", "Alpine");
});

test("a symbol version that this machine lacks is an error, as it would be in the guest", async () => {
  const versionsNeeded = [{ library: "libc.so.6", versions: ["GLIBC_2.2.5", "GLIBC_2.99"] }];
  await using system = await TestSystem.create({
    "a.node": { needed: ["libc.so.6"], versionsNeeded },
    "lib/libc.so.6": { soname: "libc.so.6", versionsDefined: ["GLIBC_2.2.5", "GLIBC_2.36"] },
  });
  for (const providedSonames of [new Set<string>(), new Set(["libc.so.6"])]) {
    const error = await system.refusal(["a.node"], { providedSonames });
    assert.match(error.message, "needs GLIBC_2.99 of libc.so.6");
    assert.match(error.message, "has up to GLIBC_2.36");
  }
});

test("what the guest already has is left out together with its needs", async () => {
  await using system = await TestSystem.create({
    "a.node": { needed: ["libbase.so", "libown.so", "libabsent.so"] },
    "lib/libbase.so": { needed: ["libunder.so"] },
    "lib/libown.so": {},
  });
  const providedSonames = new Set(["libbase.so", "libabsent.so"]);
  assert.equal(await system.closure(["a.node"], { providedSonames }), [
    ["/lib/libown.so", `${GUEST}/libown.so`],
  ]);
});

test("two different libraries for one place are refused", async () => {
  await using system = await TestSystem.create({
    "one/a.node": { needed: ["liba.so"], runpath: "$ORIGIN" },
    "one/liba.so": {},
    "two/b.node": { needed: ["liba.so"], runpath: "$ORIGIN" },
    "two/liba.so": {},
  });
  assert.match((await system.refusal(["one/a.node", "two/b.node"])).message, "two libraries at");
});

test("a dynamic linker that is not on this machine is refused; a static program needs none", async () => {
  await using system = await TestSystem.create({
    "bin/app": { type: 2, interpreter: "SYS/lib/ld-musl-x86_64.so.1" },
    "bin/static": { type: 2 },
  });
  assert.match((await system.refusal(["bin/app"])).message, "ld-musl-x86_64.so.1");
  const nothing = { libraries: [], interpreters: [], pathFiles: [], leftOut: [] };
  assert.equal(await libraryClosure([system.path("bin/static")]), nothing);
});

test("tells programs, libraries, scripts and the rest apart", async () => {
  const interpreter = "/lib64/ld-linux-x86-64.so.2";
  await using system = await TestSystem.create({
    fixed: { type: 2 },
    pie: { interpreter, isPie: true },
    "old-pie": { interpreter },
    "static-pie": { isPie: true },
    "runnable.so": { interpreter, soname: "runnable.so" },
    "plain.so": {},
    "object.o": { type: 1 },
    "foreign.so": { machine: 40 },
  });
  await system.write("script", Buffer.from("#!/usr/bin/env node\n"));
  await system.write("empty", Buffer.alloc(0));
  await system.write("text", Buffer.from("text"));
  const kinds = {
    fixed: "elf-executable",
    pie: "elf-executable",
    "old-pie": "elf-executable",
    "static-pie": "elf-executable",
    "runnable.so": "elf-shared",
    "plain.so": "elf-shared",
    "object.o": "other",
    "foreign.so": "other",
    script: "script",
    empty: "other",
    text: "other",
  };
  for (const [name, kind] of Object.entries(kinds)) {
    assert.is(await classifyBinary(system.path(name)), kind, name);
  }
});

test("guesses Debian's package as Debian Policy 8.1 names it", () => {
  assert.is(debianPackageOf("libssl.so.3"), "libssl3");
  assert.is(debianPackageOf("libstdc++.so.6"), "libstdc++6");
  assert.is(debianPackageOf("libnode.so.108"), "libnode108");
  assert.is(debianPackageOf("libfoo2.so.1"), "libfoo2-1");
  assert.is(debianPackageOf("libX11_xcb.so.1"), "libx11-xcb1");
  assert.is(debianPackageOf("libplain.so"), "libplain");
});

test.run();
