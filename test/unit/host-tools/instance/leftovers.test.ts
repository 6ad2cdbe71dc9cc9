import { mkdir, readdir, writeFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import { InstanceStore } from "../../../../host-tools/instance/instance-store.ts";
import { removeLeftovers } from "../../../../host-tools/instance/leftovers.ts";
import { lockFile } from "../../../../image-builder/store/file-lock.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";
import { foldersIn, storedInstance } from "./instance-fixture.ts";

const test = suite("leftovers of instances");

test("a folder without a record goes, with its token digests and its socket", async () => {
  await using instance = await storedInstance();
  const { store, record, folder, folders } = instance;
  const left = store.files("ffffffffffff");
  await mkdir(left.folder);
  await writeFile(left.document, "{}");
  await mkdir(folders.runtime, { recursive: true });
  await writeFile(left.qmpSocket, "");
  await mkdir(folder.file("data/instances/somebody-elses"));
  await mkdir(folder.file("data/instances/eeeeeeeeeeee.removed"));
  assert.equal(await removeLeftovers(store), ["ffffffffffff"]);
  assert.equal(await readdir(folders.runtime), []);
  assert.equal(
    (await readdir(folder.file("data/instances"))).sort(),
    [".create.lock", record.id, "somebody-elses"].sort(),
  );
  assert.equal(await removeLeftovers(store), []);
});

test("what cannot be told to be dead stays: a machine that runs, a record that is damaged", async () => {
  await using instance = await storedInstance();
  const { store } = instance;
  const running = store.files("aaaaaaaaaaaa");
  await mkdir(running.folder);
  const damaged = store.files("bbbbbbbbbbbb");
  await mkdir(damaged.folder);
  await writeFile(damaged.record, '{"id":');
  {
    await using _qemu = await lockFile(running.aliveLock);
    assert.equal(await removeLeftovers(store), []);
  }
  assert.equal(await removeLeftovers(store), ["aaaaaaaaaaaa"]);
});

test("where there never was an instance, nothing is made", async () => {
  await using folder = await temporaryFolder();
  assert.equal(await removeLeftovers(new InstanceStore(foldersIn(folder))), []);
  assert.equal(await readdir(folder.path), []);
});

test.run();
