import { chmod, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import fc from "fast-check";
import * as assert from "uvu/assert";
import { emptyDisk } from "../../../../image-builder/disks/empty-disk.ts";
import { checkOverlay, createOverlay } from "../../../../image-builder/disks/overlay-file.ts";
import {
  overlayPieces,
  parseQcow2Header,
  tableOffsets,
} from "../../../../image-builder/disks/qcow2.ts";
import { scratchDisk } from "../../../../image-builder/disks/scratch-disk.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("disks");
const GIB = 1024 ** 3;

test("a header says what it was made of", () => {
  const path = fc
    .stringMatching(/^\/[^\u0000]{0,250}$/)
    .filter((text) => !/\p{Surrogate}/u.test(text) && Buffer.byteLength(text) <= 1023);
  const sectors = fc.integer({ min: 1, max: 2 ** 33 });
  fc.assert(
    fc.property(path, sectors, fc.constantFrom("raw", "qcow2"), (backing, count, format) => {
      const [first] = overlayPieces({ path: backing, format }, count * 512);
      assert.equal(parseQcow2Header(first?.bytes ?? Buffer.alloc(0)), {
        sizeBytes: count * 512,
        clusterBytes: 65_536,
        l1OffsetBytes: 3 * 65_536,
        l1Count: Math.ceil((count * 512) / (8192 * 65_536)),
        backingPath: backing,
      });
    }),
  );
});

test("refuses what the format has no room for", () => {
  const raw = { path: "/disk", format: "raw" } as const;
  for (const size of [0, -512, 100, 2 ** 42 + 512, Number.NaN]) {
    assert.throws(() => overlayPieces(raw, size), /no size of a disk/);
  }
  for (const path of ["a/disk", "nbd:disk", "", `/${"x".repeat(1023)}`]) {
    assert.throws(() => overlayPieces({ ...raw, path }, 512), /not absolute, or too long/);
  }
});

test("what is no header is none, whatever it is", () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => !parseQcow2Header(Buffer.from(bytes))));
  const [{ bytes } = { bytes: Buffer.alloc(0) }] = overlayPieces(
    { path: "/disk", format: "raw" },
    GIB,
  );
  fc.assert(
    fc.property(fc.nat(103), fc.nat(255), (at, value) => {
      const changed = Buffer.from(bytes);
      changed[at] = value;
      parseQcow2Header(changed); // does not throw
    }),
  );
});

test("of a table, the entries that lead to content", () => {
  const table = Buffer.alloc(48);
  const entries = [0n, 0x8000_0000_0005_0000n, 0x1n, 0x0006_0001n, 0x4000_0000_0007_0000n];
  for (const [index, entry] of entries.entries()) table.writeBigUInt64BE(entry, 8 * index);
  table.writeBigUInt64BE(0x8000_0123_4567_0000n, 40);
  assert.equal(tableOffsets(table), [0x5_0000, 0x123_4567_0000]);
});

test("an overlay is whole or not there, and small", async () => {
  await using folder = await temporaryFolder();
  const backing = { path: await emptyDisk(folder.path, 1024), format: "raw" } as const;
  const path = folder.file("scratch.qcow2");
  await createOverlay(path, { backing, sizeBytes: GIB });
  const { size, blocks, mode } = await stat(path);
  assert.is(size, 4 * 65_536);
  assert.ok(blocks * 512 <= 65_536, `${blocks} sectors`);
  assert.is(mode & 0o777, 0o600);
  assert.is((await checkOverlay(path)).backingPath, backing.path);
  assert.equal((await readdir(folder.path)).sort(), ["disks", "scratch.qcow2"]);
  const error = await createOverlay(folder.file("no/scratch.qcow2"), {
    backing,
    sizeBytes: GIB,
  }).catch((caught) => caught);
  assert.is(error.code, "WL_IMAGE_IO");
});

test("a disk that is not whole is refused", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("scratch.qcow2");
  const refusal = async (): Promise<string> => {
    const error = await checkOverlay(path).catch((caught) => caught);
    assert.is(error.code, "WL_IMAGE_STORE");
    assert.ok(error.facts.next);
    return error.message;
  };
  assert.match(await refusal(), /it is missing$/);
  await writeFile(path, "");
  assert.match(await refusal(), /it is no qcow2 file$/);
  await rm(path);
  await createOverlay(path, { backing: { path: "/disk", format: "raw" }, sizeBytes: GIB });
  const bytes = await readFile(path);
  await truncate(path, 3 * 65_536);
  assert.match(await refusal(), /it was cut$/);
  // An L2 table at the end of the file, and in it a cluster behind the end.
  bytes.writeBigUInt64BE(0x8000_0000_0004_0000n, 3 * 65_536);
  await writeFile(path, bytes);
  assert.match(await refusal(), /it was cut$/);
  const table = Buffer.alloc(65_536);
  table.writeBigUInt64BE(0x8000_0000_0005_0000n, 800);
  await writeFile(path, Buffer.concat([bytes, table]));
  assert.match(await refusal(), /it was cut$/);
  await writeFile(path, Buffer.concat([bytes, table, Buffer.alloc(512)]));
  await checkOverlay(path);
});

test("an empty disk is made once, and again when it is lost or cut", async () => {
  await using folder = await temporaryFolder();
  const path = await emptyDisk(folder.path, 64);
  const before = await stat(path);
  assert.is(await emptyDisk(folder.path, 64), path);
  assert.is((await stat(path)).ino, before.ino);
  assert.is.not(await emptyDisk(folder.path, 65), path);
  await chmod(path, 0o600);
  await truncate(path, 4096);
  assert.is(await emptyDisk(folder.path, 64), path);
  assert.is((await stat(path)).size, before.size);
  await rm(path);
  await writeFile(folder.file("disks/.new-4194305-killed"), "");
  const twice = await Promise.all([emptyDisk(folder.path, 64), emptyDisk(folder.path, 64)]);
  assert.equal(twice, [path, path]);
  assert.is((await readdir(folder.file("disks"))).length, 2);
});

test("a scratch disk has a size and a path that a guest can have", () => {
  assert.equal(scratchDisk({ sizeMib: 1024 }), { sizeMib: 1024, path: "/scratch" });
  assert.is(scratchDisk({ sizeMib: 16, path: "//var//data/../kept/" }).path, "/var/kept");
  assert.is(scratchDisk({ sizeMib: 1024 ** 2, path: "/app/data" }).path, "/app/data");
  for (const sizeMib of [15, 0, -1, 1024 ** 2 + 1, Number.NaN]) {
    assert.throws(() => scratchDisk({ sizeMib }), /cannot have .* MiB: ask for 16 MiB to 1 TiB/);
  }
  for (const path of ["data", "", "./data"]) {
    assert.throws(() => scratchDisk({ sizeMib: 64, path }), /is not absolute/);
  }
  for (const path of ["/", "//", "/a/..", "/proc", "/dev/x", "/sys/../proc/1", "/usr", "/app/"]) {
    assert.throws(() => scratchDisk({ sizeMib: 64, path }), /would hide what the guest needs/);
  }
  for (const path of ["/a\nb", `/${"x".repeat(255)}`]) {
    assert.throws(() => scratchDisk({ sizeMib: 64, path }), /control character, or is too long/);
  }
});

test.run();
