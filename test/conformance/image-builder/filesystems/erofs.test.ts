/** Our erofs images against erofs-utils, and its images against our reader. */
import { execFile, spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import * as assert from "uvu/assert";
import { type ErofsReader, openErofs } from "../../../../image-builder/filesystems/erofs-reader.ts";
import { writeErofs } from "../../../../image-builder/filesystems/erofs-writer.ts";
import { orderTree, type Tree, type TreeEntry } from "../../../../image-builder/rootfs/tree.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("erofs and erofs-utils", { timeoutMs: 120_000 });
const run = promisify(execFile);
const missing = ["fsck.erofs", "dump.erofs", "mkfs.erofs"].filter(
  (tool) => spawnSync(tool, ["-V"]).error,
);

function check(name: string, body: () => Promise<void>): void {
  if (missing.length === 0) test(name, body);
  else test.skip(`${missing.join(", ")} not installed`, name);
}

for (const options of [
  { compression: "none" },
  { compression: "lz4", clusterSizeBytes: 4096 },
  { compression: "lz4" },
  { compression: "lz4", clusterSizeBytes: 1024 * 1024 },
] as const) {
  check(`fsck.erofs accepts and extracts ${JSON.stringify(options)}`, async () => {
    await using folder = await temporaryFolder();
    const tree = sampleTree();
    await writeErofs(tree, folder.file("image"), options);
    await run("fsck.erofs", [`--extract=${folder.file("out")}`, folder.file("image")]);
    await expectFolder(folder.file("out"), tree);
  });
}

check("dump.erofs finds the super block and features as written", async () => {
  await using folder = await temporaryFolder();
  await writeErofs(sampleTree(), folder.file("image"), { compression: "lz4" });
  const { stdout } = await run("dump.erofs", ["-s", folder.file("image")]);
  assert.match(stdout, /features:\s+sb_csum 0padding big_pcluster/);
  assert.match(stdout, new RegExp(`inode count:\\s+${sampleTree().length}\\n`));
});

for (const flags of [
  [],
  ["-zlz4hc"],
  ["-zlz4hc", "-C65536"],
  ["-zlz4hc", "-C65536", "-Elegacy-compress"],
  ["-zlz4", "-C1048576", "-Eforce-inode-extended"],
]) {
  check(`our reader reads mkfs.erofs ${flags.join(" ")}`, async () => {
    await using folder = await temporaryFolder();
    // mkfs.erofs 1.5 stops with ENOENT at names of 255 bytes.
    const tree = sampleTree().filter((entry) => !entry.path.endsWith("x".repeat(255)));
    await writeFolder(folder.file("in"), tree);
    await run("mkfs.erofs", [...flags, "-T0", folder.file("image"), folder.file("in")]);
    await using reader = await openErofs(folder.file("image"));
    for (const entry of tree) await expectEntry(reader, entry);
  });
}

check("a large image is no larger than mkfs.erofs makes it, within 5 percent", async () => {
  await using folder = await temporaryFolder();
  const { size } = await stat(process.execPath);
  await mkdir(folder.file("in"));
  await run("cp", [process.execPath, folder.file("in/node")]);
  const source = { kind: "path", path: folder.file("in/node"), sizeBytes: size } as const;
  const tree = orderTree([{ kind: "file", path: "/node", mode: 0o755, source }]);
  const ours = await writeErofs(tree, folder.file("ours"), { compression: "lz4" });
  const flags = ["-zlz4hc", "-C65536", "-T0"];
  await run("mkfs.erofs", [...flags, folder.file("theirs"), folder.file("in")]);
  const theirs = await stat(folder.file("theirs"));
  assert.ok(ours.sizeBytes < theirs.size * 1.05, `${ours.sizeBytes} of ${theirs.size}`);
  await run("fsck.erofs", [`--extract=${folder.file("out")}`, folder.file("ours")]);
  await run("cmp", [folder.file("in/node"), folder.file("out/node")]);
});

check("a file of more than 4 GiB has the extended inode that erofs-utils reads", async () => {
  await using folder = await temporaryFolder();
  // Sparse: costs no disk, and compresses to little.
  const sizeBytes = 4 * 1024 ** 3 + 5;
  await run("truncate", ["-s", `${sizeBytes}`, folder.file("sparse")]);
  const source = { kind: "path", path: folder.file("sparse"), sizeBytes } as const;
  const tree = orderTree([{ kind: "file", path: "/sparse", mode: 0o644, source }]);
  const image = await writeErofs(tree, folder.file("image"), { compression: "lz4" });
  assert.ok(image.sizeBytes < 64 * 1024 * 1024);
  const { stdout } = await run("dump.erofs", ["--path=/sparse", folder.file("image")]);
  assert.match(stdout, new RegExp(`Size: ${sizeBytes} `));
});

function sampleTree(): Tree {
  const text = Buffer.from("The quick brown fox jumps over the lazy dog. ".repeat(20_000));
  const noise = pseudoRandom(300_000);
  const names = ["-", "!", "new\nline", 'quo"te', "it's", "é", "x".repeat(255)];
  const mixed = Buffer.concat([text.subarray(0, 70_001), noise.subarray(0, 50_003), text]);
  const sizes = [0, 1, 4063, 4064, 4065, 4095, 4096, 4097, 4160, 4161, 8191, 8192, 12_289];
  return orderTree([
    file("/text", text),
    file("/noise", noise),
    file("/mixed", mixed),
    file("/zeros", Buffer.alloc(9_000_001)),
    ...sizes.flatMap((size) => [
      file(`/sizes/text-${size}`, text.subarray(0, size)),
      file(`/sizes/noise-${size}`, noise.subarray(0, size)),
    ]),
    ...names.map((name) => file(`/names/${name}`, Buffer.from(name))),
    ...Array.from({ length: 700 }, (_, index) =>
      file(`/many/file number ${index}`, noise.subarray(index, index + 9)),
    ),
    { kind: "directory", path: "/empty", mode: 0o700 },
    { kind: "symlink", path: "/link", target: "names/é" },
    { kind: "symlink", path: "/long-link", target: "t/".repeat(2000) },
  ]);
}

function file(path: string, bytes: Uint8Array): TreeEntry {
  return { kind: "file", path, mode: 0o640, source: { kind: "bytes", bytes } };
}

function pseudoRandom(size: number): Buffer {
  let state = 1;
  return Buffer.from(
    new Uint8Array(size).map(() => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state >>> 24;
    }),
  );
}

async function writeFolder(folder: string, tree: Tree): Promise<void> {
  for (const entry of tree) {
    const path = join(folder, entry.path);
    if (entry.kind === "directory") await mkdir(path, { mode: entry.mode });
    else if (entry.kind === "symlink") await symlink(entry.target, path);
    else if (entry.source.kind === "bytes") {
      await writeFile(path, entry.source.bytes, { mode: entry.mode });
    }
  }
}

async function expectFolder(folder: string, tree: Tree): Promise<void> {
  const found = await readdir(folder, { recursive: true });
  assert.is(found.length, tree.length - 1);
  for (const entry of tree) {
    const path = join(folder, entry.path);
    if (entry.kind === "symlink") assert.is(await readlink(path), entry.target);
    else if (entry.kind === "directory") assert.ok((await stat(path)).isDirectory());
    else if (entry.source.kind === "bytes") {
      const content = await readFile(path);
      assert.is(Buffer.compare(content, Buffer.from(entry.source.bytes)), 0, entry.path);
    }
  }
}

async function expectEntry(reader: ErofsReader, entry: TreeEntry): Promise<void> {
  const found = await reader.stat(entry.path);
  assert.is(found.kind, entry.kind);
  if (entry.kind === "symlink") assert.is(await reader.readlink(entry.path), entry.target);
  if (entry.kind !== "file" || entry.source.kind !== "bytes") return;
  const pieces: Uint8Array[] = [];
  for await (const piece of reader.readFile(entry.path)) pieces.push(piece);
  assert.is(Buffer.compare(Buffer.concat(pieces), Buffer.from(entry.source.bytes)), 0, entry.path);
}

test.run();
