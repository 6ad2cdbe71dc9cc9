import { createHash } from "node:crypto";
import { mkdir, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import * as assert from "uvu/assert";
import { type Checkpoint, parseCheckpoint } from "../../../../host-tools/instance/checkpoint.ts";
import { CheckpointStore } from "../../../../host-tools/instance/checkpoint-store.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";
import { instanceRecord, launch } from "./instance-fixture.ts";

const test = suite("checkpoint store");

const STATE = "a machine";
const checkpoint: Checkpoint = {
  schemaVersion: 1,
  id: "c0ffee000001",
  name: "one",
  createdAt: "2026-01-01T00:00:00.000Z",
  instance: instanceRecord({ launch }),
  traits: {} as Checkpoint["traits"],
  stoppedAtMs: 1,
  state: { sizeBytes: STATE.length, sha256: createHash("sha256").update(STATE).digest("hex") },
  scratch: [],
  stillMs: 1,
};

async function storeIn(folder: string, ...checkpoints: Checkpoint[]): Promise<CheckpointStore> {
  const store = new CheckpointStore(folder);
  for (const one of checkpoints) {
    await using _making = await store.begin(one.id, one.name);
    await writeFile(store.statePath(one.id), STATE);
    await store.commit(one);
  }
  return store;
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => "none",
    (error) => error.code,
  );
}

test("half a record is none", () => {
  const text = JSON.stringify(checkpoint);
  assert.equal(parseCheckpoint(text, checkpoint.id), checkpoint);
  assert.is(parseCheckpoint(text, "c0ffee000002"), undefined);
  for (const name of ["schemaVersion", "instance", "state", "scratch"] as const) {
    const { [name]: _left, ...rest } = checkpoint;
    assert.is(parseCheckpoint(JSON.stringify(rest), checkpoint.id), undefined, name);
  }
  fc.assert(
    fc.property(fc.nat(text.length - 1), (length) => {
      assert.is(parseCheckpoint(text.slice(0, length), checkpoint.id), undefined);
    }),
  );
});

test("found by name and by the begin of an id that is clear", async () => {
  await using folder = await temporaryFolder();
  const other = { ...checkpoint, id: "c0ffee000002", name: "two", createdAt: "2026-01-02" };
  const store = await storeIn(folder.path, checkpoint, other);
  assert.equal(
    (await store.list()).map(({ name }) => name),
    ["two", "one"],
  );
  assert.is((await store.get("two")).id, other.id);
  assert.is((await store.get("c0ffee000001")).name, "one");
  assert.is(await codeOf(store.get("c0ffee")), "WL_CHECKPOINT_UNKNOWN");
  assert.is(await codeOf(store.get("three")), "WL_CHECKPOINT_UNKNOWN");
  assert.is(await codeOf(store.begin("c0ffee000003", "one")), "WL_CHECKPOINT_EXISTS");
  assert.is(await codeOf(store.begin("c0ffee000003", "../one")), "WL_USAGE");
  await store.remove(other.id);
  assert.is(await codeOf(store.get("two")), "WL_CHECKPOINT_UNKNOWN");
});

test("its record, which holds tokens, is for its owner alone", async () => {
  await using folder = await temporaryFolder();
  const store = await storeIn(folder.path, checkpoint);
  const { mode } = await stat(join(store.folder(checkpoint.id), "checkpoint.json"));
  assert.is(mode & 0o777, 0o600);
});

test("what is being made is no leftover; what nobody makes any more is one", async () => {
  await using folder = await temporaryFolder();
  const store = await storeIn(folder.path, checkpoint);
  {
    await using _making = await store.begin("c0ffee000003", "three");
    assert.equal(await store.list(), [checkpoint]);
    assert.equal(await store.removeLeftovers(), []);
  }
  await mkdir(store.folder("c0ffee000004"));
  assert.equal(await store.removeLeftovers(), ["c0ffee000003", "c0ffee000004"]);
  assert.equal(await store.list(), [checkpoint]);
});

test("a file that is cut, changed or gone is damage, and the words say which", async () => {
  await using folder = await temporaryFolder();
  const store = await storeIn(folder.path, checkpoint);
  const { id } = checkpoint;
  assert.is(await store.damage(checkpoint), undefined);
  await writeFile(store.statePath(id), STATE.replace("a", "b"));
  assert.is(await store.damage(checkpoint), "its state file was changed");
  await truncate(store.statePath(id), 3);
  assert.is(await store.damage(checkpoint), "its state file has 3 bytes, not 9");
  await writeFile(store.statePath(id), STATE);

  const name = "scratch-000000000001.qcow2";
  const layer = join(store.folder(id), name);
  await writeFile(layer, "disk");
  await utimes(layer, 5, 5);
  const withDisk = { ...checkpoint, scratch: [{ name, sizeBytes: 4, changedAtMs: 5_000 }] };
  assert.match(
    (await store.damage(withDisk)) ?? "",
    /^its files cannot be used: .* it is no qcow2 file/,
  );
  await utimes(layer, 6, 6);
  assert.is(await store.damage(withDisk), `its scratch disk was changed (${name})`);
});

test.run();
