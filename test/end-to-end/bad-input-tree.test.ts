/** Things in a project's tree that an image cannot hold, and odd ones that it can. */
import { execFileSync } from "node:child_process";
import { mkdir, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { MACHINE_TIMEOUT_MS, suite } from "../support/suite.ts";
import { type BadHome, badHome, isRoot } from "./bad-home.ts";

/** Deeper than Linux follows: 40 links (path_resolution(7)). */
const LINKS = 45;
const SPARSE_BYTES = 3 * 1024 ** 3;
/** Zeros compress to a hundredth; with kernel and base. */
const SPARSE_IMAGE_BYTES_MAX = 128 * 1024 ** 2;

let bad: BadHome;
const test = suite("bad input: tree", {
  timeoutMs: MACHINE_TIMEOUT_MS,
  setup: async () => {
    bad = await badHome();
    const project = await bad.project("first");
    const built = await bad.run(["build", "-q", project]);
    assert.is(built.exitCode, 0, built.stderr);
  },
  teardown: () => bad[Symbol.asyncDispose](),
});

/** An ELF shared object's header (gABI, chapter 4): 64 bits, little endian, for a machine. */
function elfHeader(machine: number): Buffer {
  const header = Buffer.alloc(256);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  header.writeUInt16LE(3, 16); // ET_DYN
  header.writeUInt16LE(machine, 18);
  header.writeUInt32LE(1, 20);
  header.writeUInt16LE(64, 52);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(64, 58);
  return header;
}

test("a native addon for another architecture, a broken one, and one that is none", async () => {
  const aarch64 = elfHeader(183);
  const addons = [
    [aarch64, /addon\.node": it is a 64-bit ARM64 shared library; the guest runs x86-64/],
    [aarch64.subarray(0, 50), /addon\.node": it is an ELF file cut off/],
    [Buffer.from("hello"), /addon\.node": it is not an ELF file/],
  ] as const;
  for (const [bytes, says] of addons) {
    const folder = await bad.project("addon");
    await writeFile(join(folder, "addon.node"), bytes);
    await bad.refuses(["build", folder], [says, /next: Install or build this file again/]);
  }
});

test("sockets, named pipes and devices", async () => {
  const folder = await bad.project("special");
  const special = join(folder, "special");
  const refused = (what: RegExp): Promise<unknown> =>
    bad.refuses(["build", folder], [what, /next: Remove it, or list it in \.windlassignore/]);

  const server = createServer();
  await new Promise<void>((listening) => server.listen(special, listening));
  await refused(/special" is a socket/);
  await new Promise((closed) => server.close(closed));
  execFileSync("mkfifo", [special]);
  await refused(/special" is a named pipe/);
  await rm(special);
  if (isRoot) {
    execFileSync("mknod", [special, "c", "1", "3"]);
    await refused(/special" is a device/);
  }
  await writeFile(join(folder, ".windlassignore"), "special\n");
  assert.is((await bad.run(["build", "-q", folder])).exitCode, 0, "the next step helps");
});

test("links out of the project are refused, deep and looping ones are kept", async () => {
  const folder = await bad.project("links");
  for (const target of ["/etc/passwd", ".."]) {
    await symlink(target, join(folder, "out"));
    await bad.refuses(["build", folder], [/symlink \S+out" leads out of the project, to/]);
    await rm(join(folder, "out"));
  }
  await symlink("index.js", join(folder, "link-0"));
  for (let at = 1; at < LINKS; at += 1) {
    await symlink(`link-${at - 1}`, join(folder, `link-${at}`));
  }
  await symlink("loop-b", join(folder, "loop-a"));
  await symlink("loop-a", join(folder, "loop-b"));
  await symlink(".", join(folder, "here"));
  assert.is((await bad.run(["build", "-q", folder])).exitCode, 0);
  const { stdout } = await bad.run(["image", "ls", "-l", "links", "/app"]);
  assert.match(stdout, /link-44 -> link-43/);
  assert.match(stdout, /loop-a -> loop-b/);
  await symlink("gone", join(folder, "dangling"));
  const entry = JSON.stringify({ name: "links", main: `link-${LINKS - 1}` });
  await writeFile(join(folder, "package.json"), entry);
  await rm(join(folder, "index.js"));
  await bad.refuses(["build", folder], [/No entry point in/, /link-44 does not exist/]);
});

test("names with a newline, quotes, an escape, 255 bytes; not those that are no UTF-8", async () => {
  const folder = await bad.project("names");
  const names = [
    "new\nline",
    `quo"te's`,
    "esc\x1b[31m",
    "x".repeat(255),
    `${"ü".repeat(127)}a`,
    "-rf",
  ];
  for (const name of names) await writeFile(join(folder, name), name);
  assert.is((await bad.run(["build", "-q", folder])).exitCode, 0);
  const listed = await bad.run(["image", "ls", "names", "/app"]);
  assert.match(listed.stdout, /^new\\nline$/m, "one line a name");
  assert.not.match(listed.stdout, "\x1b", "a name does not drive the terminal");
  for (const name of names) {
    const { stdout, stderr } = await bad.run(["image", "cat", "names", `/app/${name}`]);
    assert.is(stdout, name, stderr);
  }
  const latin1 = Buffer.concat([Buffer.from(`${folder}/caf`), Buffer.from([0xe9])]);
  await writeFile(latin1, "");
  await bad.refuses(
    ["build", folder],
    [/The name "caf\\xe9" in \S+names" is not UTF-8/, /Rename it/],
  );
});

test("a file of 3 GiB", async () => {
  const folder = await bad.project("large", { data: "" });
  await truncate(join(folder, "data"), SPARSE_BYTES);
  const { exitCode, stdout, stderr } = await bad.run(["build", "--json", folder]);
  assert.is(exitCode, 0, stderr);
  assert.ok(JSON.parse(stdout).sizeBytes < SPARSE_IMAGE_BYTES_MAX, stdout);
  const listed = await bad.run(["image", "ls", "-l", "large", "/app"]);
  assert.match(listed.stdout, /3\.0 GiB .* data/);
});

test("a package.json of 3 GiB", async () => {
  const folder = await bad.project("large");
  await truncate(join(folder, "package.json"), SPARSE_BYTES);
  await bad.refuses(["build", folder], [/package\.json" has 3221225472 bytes/]);
});

test("deep folders", async () => {
  const folder = await bad.project("deep");
  const deep = join(folder, ...Array<string>(200).fill("d"));
  await mkdir(deep, { recursive: true });
  await writeFile(join(deep, "end"), "");
  assert.is((await bad.run(["build", "-q", folder])).exitCode, 0);
});

test("nothing was left behind", async () => {
  assert.equal(await bad.remains(), []);
});

test.run();
