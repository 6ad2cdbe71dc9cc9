import { readdir, readFile, rename, rm, truncate } from "node:fs/promises";
import * as assert from "uvu/assert";
import { prepareScratch } from "../../../../host-tools/instance/scratch-file.ts";
import { checkOverlay, createOverlay } from "../../../../image-builder/disks/overlay-file.ts";
import { suite } from "../../../support/suite.ts";
import {
  type InstanceFixture,
  instanceRecord,
  launch,
  storedInstance,
} from "./instance-fixture.ts";

const test = suite("scratch file");

const options = { ...instanceRecord().options, scratch: { sizeMib: 64, path: "/scratch" } };
const sizeBytes = 64 * 1024 * 1024;

const prepare = (instance: InstanceFixture, isNew: boolean): Promise<void> =>
  prepareScratch(
    { ...instance.record, launch: isNew ? undefined : launch },
    { path: instance.files.scratch, dataFolder: instance.folders.data },
  );

test("an instance that asks for none gets none", async () => {
  await using instance = await storedInstance();
  await prepare(instance, true);
  assert.not.ok((await readdir(instance.files.folder)).includes("scratch.qcow2"));
});

test("it is made before the first start, and stays from then on", async () => {
  await using instance = await storedInstance({ options });
  await prepare(instance, true);
  const made = await readFile(instance.files.scratch);
  assert.is((await checkOverlay(instance.files.scratch)).sizeBytes, sizeBytes);
  await prepare(instance, true); // QEMU failed: the start is tried again.
  await prepare(instance, false);
  assert.equal(await readFile(instance.files.scratch), made);
});

test("one that was given beforehand, as to a clone, is taken", async () => {
  await using instance = await storedInstance({ options });
  const parent = instance.folder.file("parent.qcow2");
  await createOverlay(parent, { backing: { path: "/disk", format: "raw" }, sizeBytes });
  const backing = { path: parent, format: "qcow2" } as const;
  await createOverlay(instance.files.scratch, { backing, sizeBytes });
  await prepare(instance, true);
  assert.is((await checkOverlay(instance.files.scratch)).backingPath, parent);
});

test("one that is gone or cut after the first start is not made anew", async () => {
  await using instance = await storedInstance({ options });
  await prepare(instance, true);
  await truncate(instance.files.scratch, 70_000);
  const cut = await prepare(instance, false).catch((error) => error);
  assert.is(cut.code, "WL_IMAGE_STORE");
  await rm(instance.files.scratch);
  const gone = await prepare(instance, false).catch((error) => error);
  assert.is(gone.code, "WL_IMAGE_STORE");
  assert.match(gone.message, /scratch\.qcow2": it is missing$/);
});

test("the empty disk below it is made again when it is lost; another one is an error", async () => {
  await using instance = await storedInstance({ options });
  await prepare(instance, true);
  const { backingPath = "" } = await checkOverlay(instance.files.scratch);
  await rm(backingPath);
  await prepare(instance, false);
  await rename(backingPath, `${backingPath}.moved`);
  const backing = { path: `${backingPath}.other`, format: "raw" } as const;
  await createOverlay(instance.files.scratch, { backing, sizeBytes });
  const error = await prepare(instance, false).catch((caught) => caught);
  assert.is(error.code, "WL_HOST_IO");
  assert.match(error.message, /^Cannot use the scratch disk of "web": ".*\.other", .* is missing$/);
});

test.run();
