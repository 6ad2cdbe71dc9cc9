/** Our empty disks against e2fsprogs, our overlays against QEMU. */
import { execFile, spawnSync } from "node:child_process";
import { rm, stat, truncate } from "node:fs/promises";
import { promisify } from "node:util";
import fc from "fast-check";
import * as assert from "uvu/assert";
import type { HostError } from "../../../../host-tools/errors.ts";
import { emptyDisk } from "../../../../image-builder/disks/empty-disk.ts";
import { checkOverlay, createOverlay } from "../../../../image-builder/disks/overlay-file.ts";
import { EXT4_MAX_MIB } from "../../../../image-builder/filesystems/ext4-layout.ts";
import { emptyExt4, writeDisk } from "../../../../image-builder/filesystems/ext4-writer.ts";
import { startableMachine } from "../../../support/machine.ts";
import { qemuMissing, qemuRig } from "../../../support/qemu.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("disks", { timeoutMs: 120_000 });
const run = promisify(execFile);
const MIB = 1024 * 1024;

const missingTools = (tools: readonly string[]): string | undefined => {
  const missing = tools.filter((tool) => spawnSync(tool, ["-V"]).error);
  return missing.length === 0 ? undefined : `${missing.join(", ")} not installed`;
};
const noFileSystemTools = missingTools(["e2fsck", "dumpe2fs"]);
const noDiskTools = missingTools(["qemu-img", "qemu-io"]) ?? (await qemuMissing());

function check(missing: string | undefined, name: string, body: Parameters<typeof test>[1]): void {
  if (missing === undefined) test(name, body);
  else test.skip(missing, name);
}

/** What e2fsck says on a whole look; anything to repair is a failure. */
async function fileSystemCheck(path: string): Promise<string> {
  const { stdout, stderr } = await run("e2fsck", ["-fn", path]);
  assert.match(
    stdout,
    /^Pass 1: Checking inodes, blocks, and sizes\nPass 2: .*\nPass 3: .*\nPass 4: .*\nPass 5: .*\nwindlass-scratch: 11\/\d+ files \(0\.0% non-contiguous\), \d+\/\d+ blocks\n$/,
  );
  assert.match(stderr, /^e2fsck [^\n]*\n$/);
  return stdout;
}

check(noFileSystemTools, "e2fsck finds nothing to repair, whatever the size", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("disk");
  // Where journal, inode ratio, groups and flexible groups begin, and one MiB beside it.
  const edges = [16, 128, 512, 2048, 4096].flatMap((edge) => [
    edge - 1,
    edge,
    edge + 1,
    edge + 4,
    edge + 5,
  ]);
  const anySize = fc.oneof(fc.constantFrom(...edges.slice(1)), fc.integer({ min: 16, max: 9000 }));
  await fc.assert(
    fc.asyncProperty(anySize, async (sizeMib) => {
      await rm(path, { force: true });
      await writeDisk(path, emptyExt4(sizeMib), 0o600);
      await fileSystemCheck(path);
    }),
    { numRuns: 40, examples: edges.slice(1).map((edge): [number] => [edge]) },
  );
});

check(noFileSystemTools, "the largest disk takes the host next to nothing", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("disk");
  await writeDisk(path, emptyExt4(EXT4_MAX_MIB), 0o600);
  const { size, blocks } = await stat(path);
  assert.is(size, 2 ** 40);
  assert.ok(blocks * 512 < 8 * MIB, `${blocks} sectors`);
  const { stdout } = await run("dumpe2fs", ["-h", path]);
  assert.match(stdout, /^Block count: +268435456$/m);
});

check(noFileSystemTools, "dumpe2fs finds the features, the journal and a clean state", async () => {
  await using folder = await temporaryFolder();
  const path = await emptyDisk(folder.path, 1024);
  const { stdout, stderr } = await run("dumpe2fs", [path]);
  assert.match(stderr, /^dumpe2fs [^\n]*\n$/);
  const features =
    "has_journal ext_attr dir_index sparse_super2 filetype extent 64bit flex_bg large_file " +
    "huge_file dir_nlink extra_isize metadata_csum";
  for (const [name, value] of [
    ["Filesystem features", features],
    ["Filesystem state", "clean"],
    ["Inode size", "256"],
    ["Block size", "4096"],
    ["Block count", "262144"],
    ["Inode count", "131072"],
    ["Journal inode", "8"],
    ["Total journal blocks", "4096"],
    ["Checksum type", "crc32c"],
  ]) {
    assert.match(stdout, new RegExp(`^${name}:\\s+${value}$`, "m"));
  }
  assert.match(stdout, /Group 7: \(Blocks 229376-262143\)/);
});

check(noDiskTools, "QEMU finds our overlays whole, and what they stand on", async () => {
  await using folder = await temporaryFolder();
  const raw = await emptyDisk(folder.path, 64);
  const path = folder.file("a, b:c.qcow2");
  const anySize = fc.integer({ min: 64 * 2048, max: 2 ** 31 }).map((sectors) => sectors * 512);
  await fc.assert(
    fc.asyncProperty(anySize, async (sizeBytes) => {
      await createOverlay(path, { backing: { path: raw, format: "raw" }, sizeBytes });
      const checked = await run("qemu-img", ["check", "--output=json", path]);
      const result = JSON.parse(checked.stdout);
      assert.is(result["check-errors"], 0);
      assert.is(result.corruptions ?? 0, 0);
      assert.is(result.leaks ?? 0, 0);
      const { stdout } = await run("qemu-img", ["info", "--output=json", path]);
      const info = JSON.parse(stdout);
      assert.is(info["virtual-size"], sizeBytes);
      assert.is(info["backing-filename"], raw);
      assert.is(info["backing-filename-format"], "raw");
      assert.is(info["dirty-flag"], false);
    }),
    { numRuns: 8, examples: [[64 * MIB], [2 ** 40]] },
  );
});

check(noDiskTools, "what QEMU writes and discards stays whole for us; a cut does not", async () => {
  await using folder = await temporaryFolder();
  const raw = await emptyDisk(folder.path, 2048);
  const path = folder.file("first.qcow2");
  await createOverlay(path, { backing: { path: raw, format: "raw" }, sizeBytes: 2048 * MIB });
  const io = async (...commands: string[]): Promise<void> => {
    const words = commands.flatMap((command) => ["-c", command]);
    await run("qemu-io", ["-f", "qcow2", "-d", "unmap", ...words, path]);
  };
  await io("write -P 1 0 4k", "write -P 2 600M 200k", "write -z 700M 1M", "write -P 3 1999M 1M");
  await io("discard 600M 128k", "write -P 4 1M 70000");
  await checkOverlay(path);
  assert.match((await run("qemu-img", ["check", path])).stdout, /No errors were found/);
  const { size } = await stat(path);
  await truncate(path, size - 65_536);
  const error = await checkOverlay(path).catch((caught) => caught);
  assert.match(String(error), /it was cut/);
});

check(noDiskTools, "an overlay stands on another one, as a clone's does", async () => {
  await using folder = await temporaryFolder();
  const sizeBytes = 64 * MIB;
  const [first, second] = [folder.file("first.qcow2"), folder.file("second.qcow2")];
  const raw = await emptyDisk(folder.path, 64);
  await createOverlay(first, { backing: { path: raw, format: "raw" }, sizeBytes });
  await run("qemu-io", ["-f", "qcow2", "-c", "write -P 7 32M 64k", first]);
  await createOverlay(second, { backing: { path: first, format: "qcow2" }, sizeBytes });
  const { stdout } = await run("qemu-io", ["-f", "qcow2", "-c", "read -P 7 32M 64k", second]);
  assert.match(stdout, /read 65536\/65536 bytes/);
  assert.not.match(stdout, /verification failed/);
});

check(noDiskTools, "two machines cannot have one scratch disk", async ({ signal }) => {
  await using rig = await qemuRig(signal);
  const path = rig.folder.file("scratch.qcow2");
  const backing = { path: await emptyDisk(rig.folder.path, 64), format: "raw" } as const;
  await createOverlay(path, { backing, sizeBytes: 64 * MIB });
  const disks = [{ id: "scratch", path, format: "qcow2", readOnly: false }] as const;
  const machine = await startableMachine(rig.folder, undefined, { disks });
  await rig.start(machine, { paused: true });
  const second = {
    ...machine,
    qmpSocketPath: rig.folder.file("qmp2.sock"),
    pidFilePath: rig.folder.file("pid2"),
  };
  const error: HostError = await rig.start(second).then(
    () => assert.unreachable("it started"),
    (caught) => caught,
  );
  assert.is(error.code, "WL_QEMU_FAILED");
  assert.match(error.message, 'another machine holds its "write" lock');
});

test.run();
