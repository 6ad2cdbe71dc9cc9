import { execFile } from "node:child_process";
import { chmod, mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import * as assert from "uvu/assert";
import { HostError } from "../../../../host-tools/errors.ts";
import { damagedRecord } from "../../../../host-tools/instance/instance-record.ts";
import { InstanceStore } from "../../../../host-tools/instance/instance-store.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";
import { foldersIn, instanceRecord, storedInstance } from "./instance-fixture.ts";

const test = suite("instance store");

async function refusal(work: Promise<unknown>): Promise<HostError> {
  const error = await work.then(
    () => assert.unreachable("was accepted"),
    (caught) => caught,
  );
  assert.instance(error, HostError, String(error));
  return error as HostError;
}

const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

test("an instance is found by its name and by the begin of its id", async () => {
  await using instance = await storedInstance();
  const { store, record } = instance;
  for (const reference of ["web", record.id, record.id.slice(0, 3)]) {
    assert.equal(await store.get(reference), record, reference);
  }
  for (const reference of ["we", record.id.slice(0, 2), "", "..", "../instances"]) {
    assert.is((await refusal(store.get(reference))).code, "WL_INSTANCE_UNKNOWN", reference);
  }
});

test("a name goes before an id; the begin of several ids is refused", async () => {
  await using folder = await temporaryFolder();
  const store = new InstanceStore(foldersIn(folder));
  const make = (id: string, name: string) => store.create(name, () => instanceRecord({ id, name }));
  await make("abc000000000", "one");
  await make("abc111111111", "two");
  assert.match((await refusal(store.get("abc"))).message, /several ids/);
  const named = await make("fff000000000", "abc");
  assert.equal(await store.get("abc"), named);
});

test("only its owner can read what an instance is", async () => {
  await using instance = await storedInstance();
  assert.is(await modeOf(instance.files.folder), 0o700);
  assert.is(await modeOf(instance.files.record), 0o600);
  assert.is(await modeOf(instance.folder.file("data/instances")), 0o700);
});

test("a bad name is a usage error, a taken one says by whom", async () => {
  await using instance = await storedInstance();
  const { store, record } = instance;
  const create = (name: string) => store.create(name, () => record);
  assert.is((await refusal(create("a b"))).code, "WL_USAGE");
  const taken = await refusal(create("web"));
  assert.is(taken.code, "WL_INSTANCE_EXISTS");
  assert.ok(taken.message.includes(record.id));
  assert.is((await store.list()).length, 1);
});

test("of many processes that want one name, one gets it", async ({ signal }) => {
  await using folder = await temporaryFolder();
  const folders = foldersIn(folder);
  const url = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
  const program = `
    const { InstanceStore } = await import(${url("../../../../host-tools/instance/instance-store.ts")});
    const { instanceRecord } = await import(${url("./instance-fixture.ts")});
    const store = new InstanceStore(${JSON.stringify(folders)});
    const make = (identity) => instanceRecord(identity);
    for (const name of ["same", undefined, undefined]) {
      await store.create(name, make).then(({ name }) => console.log(name), ({ code }) => console.log(code));
    }
  `;
  const argv = ["--import", "tsx", "--input-type=module", "-e", program];
  const runs = await Promise.all(
    [1, 2, 3, 4].map(() => promisify(execFile)(process.execPath, argv, { signal })),
  );
  const said = runs.flatMap(({ stdout }) => stdout.trim().split("\n"));
  assert.is(said.filter((word) => word === "same").length, 1);
  assert.is(said.filter((word) => word === "WL_INSTANCE_EXISTS").length, 3);
  const names = (await new InstanceStore(folders).list()).map(({ name }) => name);
  assert.is(names.length, 9);
  assert.is(new Set(names).size, 9, "made-up names differ too");
});

test("a record is replaced whole", async () => {
  await using instance = await storedInstance();
  const { store, record, files } = instance;
  const changed = { ...record, imageName: "other:1" };
  await Promise.all([store.write(changed), store.write(changed), store.reread(record.id)]);
  assert.equal(await store.reread(record.id), changed);
  assert.not.ok((await readdir(files.folder)).some((name) => name.startsWith(".record-")));
  assert.is(await modeOf(files.record), 0o600);
});

test("what has no record is no instance; a damaged one can still be found", async () => {
  await using instance = await storedInstance();
  const { store, folder, record } = instance;
  await mkdir(folder.file("data/instances/ffffffffffff"));
  await mkdir(folder.file("data/instances/eeeeeeeeeeee"));
  await writeFile(folder.file("data/instances/eeeeeeeeeeee/instance.json"), '{"id":');
  await mkdir(folder.file("data/instances/other"));
  assert.equal(await store.list(), [damagedRecord("eeeeeeeeeeee"), record]);
  assert.is(await store.reread("ffffffffffff"), undefined);
  await writeFile(folder.file("data/instances/eeeeeeeeeeee/instance.json"), "{}");
  assert.is((await store.get("eeeeeeeeeeee")).imageName, "(damaged record)");
  await store.remove("eeeeeeeeeeee");
  assert.equal(await store.list(), [record]);
});

test("removing takes the folder and the socket, and can be done twice", async () => {
  await using instance = await storedInstance();
  const { store, record, files, folders } = instance;
  await writeFile(files.qmpSocket, "");
  await store.remove(record.id);
  await store.remove(record.id);
  assert.equal(await readdir(folders.runtime), []);
  assert.equal(await store.list(), []);
  assert.is((await refusal(store.get("web"))).code, "WL_INSTANCE_UNKNOWN");
});

test("the folder of sockets is for this user alone", async () => {
  await using folder = await temporaryFolder();
  const folders = foldersIn(folder);
  const store = new InstanceStore(folders);
  await store.makeRuntimeFolder();
  await store.makeRuntimeFolder();
  assert.is(await modeOf(folders.runtime), 0o700);
  await chmod(folders.runtime, 0o755);
  assert.is((await refusal(store.makeRuntimeFolder())).code, "WL_HOST_IO");
  const other = new InstanceStore({ ...folders, runtime: folder.file("file") });
  await writeFile(folder.file("file"), "");
  assert.is((await refusal(other.makeRuntimeFolder())).code, "WL_HOST_IO");
});

test("a folder that cannot be made is an error of the host", async () => {
  await using folder = await temporaryFolder();
  await writeFile(folder.file("data"), "a file");
  const store = new InstanceStore(foldersIn(folder));
  const error = await refusal(store.create("web", () => instanceRecord()));
  assert.is(error.code, "WL_HOST_IO");
  assert.ok(error.facts.next);
});

test.run();
