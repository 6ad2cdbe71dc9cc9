import { lstat, mkdir, readdir, readlink, rm, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import * as assert from "uvu/assert";
import { freezeScratch } from "../../../../host-tools/instance/freeze-scratch.ts";
import {
  addLayer,
  pointAt,
  scratchLayers,
  standOn,
  topLayer,
} from "../../../../host-tools/instance/scratch-layers.ts";
import { connectQmp } from "../../../../host-tools/qmp/connection.ts";
import { checkOverlay, createOverlay } from "../../../../image-builder/disks/overlay-file.ts";
import { type Answer, startQmpServer } from "../../../support/qmp-server.ts";
import { suite } from "../../../support/suite.ts";
import { type TemporaryFolder, temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("scratch layers");
const sizeBytes = 64 * 1024 * 1024;

/** A disk as `prepareScratch` makes it. */
async function newDisk(folder: TemporaryFolder): Promise<string> {
  const path = folder.file("a/scratch.qcow2");
  await mkdir(dirname(path), { recursive: true });
  await createOverlay(path, { backing: { path: "/empty.ext4", format: "raw" }, sizeBytes });
  return path;
}

test("a disk becomes a layer once, and the disk is a link to its top from then on", async () => {
  await using folder = await temporaryFolder();
  const disk = await newDisk(folder);
  const bottom = await topLayer(disk);
  assert.match(basename(bottom), /^scratch-[0-9a-f]{12}\.qcow2$/);
  assert.is(await readlink(disk), basename(bottom));
  assert.is(await topLayer(disk), bottom);
  const top = await addLayer(bottom, sizeBytes);
  assert.is(await topLayer(disk), bottom, "not before it is said");
  await pointAt(disk, top);
  assert.equal(await scratchLayers(disk), [top, bottom]);
  assert.equal((await readdir(dirname(disk))).length, 3);
});

test("what stands on frozen layers needs nothing of the folder they were made in", async () => {
  await using folder = await temporaryFolder();
  const disk = await newDisk(folder);
  const bottom = await topLayer(disk);
  const frozen = await scratchLayers(disk);
  const other = folder.file("b/scratch.qcow2");
  await mkdir(dirname(other));
  await standOn(frozen, other);
  assert.is((await stat(bottom)).nlink, 2);
  await rm(dirname(disk), { recursive: true });
  const [top = "", below = "", ...more] = await scratchLayers(other);
  assert.equal(more, []);
  assert.is(dirname(below), dirname(other));
  assert.is((await checkOverlay(top)).backingPath, basename(bottom));
});

test("a layer that is missing is an error, wherever it is", async () => {
  await using folder = await temporaryFolder();
  const disk = await newDisk(folder);
  const bottom = await topLayer(disk);
  await pointAt(disk, await addLayer(bottom, sizeBytes));
  await rm(bottom);
  const error = await scratchLayers(disk).catch((caught) => caught);
  assert.is(error.code, "WL_IMAGE_STORE");
  assert.match(error.message, basename(bottom));
});

/** A QEMU with a scratch disk that refuses one command. */
const qemu =
  (refused?: string): Answer =>
  ({ execute, id }, peer) => {
    if (execute === refused) peer.send({ error: { class: "GenericError", desc: "no" }, id });
    else if (execute !== "query-block") peer.send({ return: {}, id });
    else {
      const inserted = { file: "x", ro: false, "node-name": "scratch" };
      peer.send({ return: [{ device: "", inserted }], id });
    }
  };

test("a disk is frozen before QEMU is told, and it can go on when QEMU refuses", async () => {
  await using folder = await temporaryFolder();
  const disk = await newDisk(folder);
  const first = await topLayer(disk);
  {
    await using server = await startQmpServer({ answer: qemu("blockdev-snapshot") });
    await using qmp = await connectQmp({ path: server.path });
    const error = await freezeScratch(qmp, { scratch: disk }).catch((caught) => caught);
    assert.is(error.code, "WL_QMP_COMMAND_FAILED");
    assert.is(await topLayer(disk), first);
    assert.equal(await readdir(dirname(disk)), [basename(first), "scratch.qcow2"]);
    const removed = server.received.filter(({ execute }) => execute === "blockdev-del");
    assert.is(removed.length, 2, "QEMU keeps no file open");
  }
  {
    // It hangs up, and nobody knows how far it came.
    const answer: Answer = (command, peer) =>
      command.execute === "blockdev-snapshot" ? peer.hangUp() : qemu()(command, peer);
    await using server = await startQmpServer({ answer });
    await using qmp = await connectQmp({ path: server.path });
    const error = await freezeScratch(qmp, { scratch: disk }).catch((caught) => caught);
    assert.is(error.code, "WL_QMP_DISCONNECTED");
    assert.equal((await scratchLayers(disk)).slice(1), [first]);
    await pointAt(disk, first);
  }
  await using server = await startQmpServer({ answer: qemu() });
  await using qmp = await connectQmp({ path: server.path });
  assert.equal(await freezeScratch(qmp, { scratch: disk }), [first]);
  const top = await topLayer(disk);
  assert.equal(await scratchLayers(disk), [top, first]);
  assert.ok((await lstat(disk)).isSymbolicLink());
  const snapshot = await server.commanded("blockdev-snapshot");
  const overlay = `scratch-${/-([0-9a-f]+)/.exec(basename(top))?.[1]}`;
  assert.equal(snapshot.arguments, { node: "scratch", overlay });
});

test.run();
