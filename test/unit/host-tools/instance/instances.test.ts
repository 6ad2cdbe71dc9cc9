/** Instances without any QEMU: what is seen, recorded and removed. Starting is an integration test. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import { HostError } from "../../../../host-tools/errors.ts";
import type { InstanceEvent } from "../../../../host-tools/instance/event-log.ts";
import { Instances } from "../../../../host-tools/instance/instances.ts";
import { observe } from "../../../../host-tools/instance/observation.ts";
import { identifyProcess } from "../../../../host-tools/qemu/process-identity.ts";
import { lockFile } from "../../../../image-builder/store/file-lock.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";
import { storedConfig } from "../../image-builder/store/store-fixture.ts";
import {
  exit,
  foldersIn,
  type InstanceFixture,
  instanceRecord,
  launch,
  storedInstance,
} from "./instance-fixture.ts";

const test = suite("instances");

async function refusal(work: Promise<unknown>): Promise<HostError> {
  const error = await work.then(
    () => assert.unreachable("was accepted"),
    (caught) => caught,
  );
  assert.instance(error, HostError, String(error));
  return error as HostError;
}

async function events(instances: Instances): Promise<string[]> {
  const text = await readFile(instances.eventLogPath, "utf8").catch(() => "");
  const lines = text.trim().split("\n").filter(Boolean);
  return lines.map((line) => (JSON.parse(line) as InstanceEvent).event);
}

/** A process that stands for QEMU; its command line names what a QEMU's would. */
async function standIn(
  ...words: string[]
): Promise<AsyncDisposable & { child: ChildProcess; pid: number }> {
  const program = 'process.stdin.resume(); process.stdout.write("up")';
  const child = spawn(process.execPath, ["-e", program, ...words], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  await once(child.stdout as NonNullable<typeof child.stdout>, "data");
  return {
    child,
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    },
  };
}

async function withImage(
  body: (instances: Instances, image: string) => Promise<void>,
): Promise<void> {
  await using folder = await temporaryFolder();
  const instances = new Instances(foldersIn(folder));
  const { id } = await instances.images.add(await storedConfig(instances.images), "hello");
  await body(instances, id);
}

test("an instance keeps the name that its image was asked for by", async () => {
  await withImage(async (instances, id) => {
    await instances.images.tag(id, "again");
    await instances.images.tag(id, "hello:2");
    const named = async (image: string): Promise<string> =>
      (await instances.create({ image })).record.imageName;
    assert.is(await named("hello"), "hello:latest");
    assert.is(await named("hello:2"), "hello:2");
    assert.is(await named(id), "again:latest", "by its id: the first of its names");
  });
});

test("an instance takes its options over the image's, and pins the image", async () => {
  await withImage(async (instances, image) => {
    const { record, state } = await instances.create({
      image: "hello",
      name: "web",
      memoryMib: 512,
      args: ["--port", "80"],
      environment: { A: "1" },
      program: { onExit: "keep" },
    });
    assert.is(state, "created");
    assert.is(record.imageId, image);
    const { program, memoryMib, vcpuCount } = record.options;
    assert.equal({ memoryMib, vcpuCount }, { memoryMib: 512, vcpuCount: 1 });
    assert.equal(program.argv.slice(-3), ["/app/server.js", "--port", "80"]);
    assert.equal(program.env, { A: "1" });
    assert.is(program.onExit, "keep");
    assert.is.not(record.tokens.admin, record.tokens.monitor);
    assert.ok(record.tokens.admin.length >= 43, "256 bits");
    const error = await instances.images.remove("hello").catch((caught) => caught);
    assert.match(String(error), /1 instance\(s\) use it/);
    await instances.remove("web");
    assert.equal((await instances.images.remove("hello")).removedImages, [image]);
    assert.equal(await events(instances), ["create", "destroy"]);
  });
});

test("a scratch disk is the image's, or the one that is asked for", async () => {
  await using folder = await temporaryFolder();
  const instances = new Instances(foldersIn(folder));
  const config = await storedConfig(instances.images);
  const scratch = { sizeMib: 64, path: "/data" };
  await instances.images.add(config, "without");
  await instances.images.add({ ...config, scratch }, "with");
  const made = async (image: string, asked?: { sizeMib: number; path?: string }) =>
    (await instances.create({ image, scratch: asked })).record.options.scratch;
  assert.is(await made("without"), undefined);
  assert.equal(await made("without", { sizeMib: 16 }), { sizeMib: 16, path: "/scratch" });
  assert.equal(await made("with"), scratch);
  assert.equal(await made("with", { sizeMib: 16 }), { sizeMib: 16, path: "/data" });
  assert.equal(await made("with", { sizeMib: 16, path: "/x" }), { sizeMib: 16, path: "/x" });
  const count = (await instances.list()).length;
  const error = await made("with", { sizeMib: 1 }).catch((caught) => caught);
  assert.instance(error, RangeError);
  assert.is((await instances.list()).length, count);
});

test("an instance of an image that is not there is not made", async () => {
  await withImage(async (instances) => {
    const error = await instances.create({ image: "other" }).catch((caught) => caught);
    assert.is(error.code, "WL_IMAGE_STORE");
    assert.equal(await instances.list(), []);
  });
});

test("when the image cannot be pinned, no instance stays", async () => {
  await withImage(async (instances) => {
    const { data } = instances.store.folders;
    await writeFile(`${data}/pins`, "a file");
    const error = await instances.create({ image: "hello" }).catch((caught) => caught);
    assert.is(error.code, "WL_IMAGE_IO");
    assert.equal(await instances.list(), []);
  });
});

test("what was never started cannot be stopped, killed, talked to or waited for", async () => {
  await withImage(async (instances) => {
    await instances.create({ image: "hello", name: "web" });
    const attempts = [
      () => instances.stop("web"),
      () => instances.kill("web", "SIGKILL"),
      () => instances.client("web"),
      () => instances.wait("web"),
    ];
    for (const attempt of attempts) assert.is((await refusal(attempt())).code, "WL_INSTANCE_STATE");
    const { record, state } = await instances.get("web");
    assert.is(state, "created");
    assert.is(record.end, undefined);
  });
});

async function seen(instance: InstanceFixture) {
  const instances = new Instances(instance.folders);
  return { instances, ...(await instances.get("web")) };
}

test("a machine that ended without a word was killed", async () => {
  await using instance = await storedInstance();
  const { record, state, instances } = await seen(instance);
  assert.is(state, "exited");
  assert.is(record.end?.exitCode, 137);
  assert.is(record.end?.signal, "SIGKILL");
  assert.match(record.end?.reason ?? "", /it was killed, or it crashed/);
  assert.equal((await instance.store.reread(record.id))?.end, record.end);
  assert.equal(await events(instances), ["die"]);
});

test("the journal says how the program ended", async () => {
  const killed = exit(null, { signal: "SIGTERM", reason: "a reason" });
  await using instance = await storedInstance({}, [exit(1, { final: false }), killed]);
  const { record } = await seen(instance);
  const { exitCode, signal, reason, finishedAt } = record.end ?? {};
  assert.equal(
    { exitCode, signal, reason },
    { exitCode: 143, signal: "SIGTERM", reason: "a reason" },
  );
  assert.is(finishedAt, new Date(1_700_000_000_000).toISOString());
});

test("a guest cannot make its instance unreadable", async () => {
  const hostile = [
    '{"kind":"exit","timeMs":1,"exitCode":null,"signal":"toString","reason":null,"final":true}\n',
    '{"kind":"exit","timeMs":1e300,"exitCode":1,"signal":null,"reason":null,"final":true}\n',
    "\0\0\0\n",
  ];
  await using instance = await storedInstance({}, hostile);
  const { record } = await seen(instance);
  assert.is(record.end?.exitCode, 128);
});

test("many that see an end at once record it once", async () => {
  await using instance = await storedInstance({}, [exit(7)]);
  const all = Array.from({ length: 8 }, () => new Instances(instance.folders));
  const lists = await Promise.all(all.map((instances) => instances.list()));
  for (const list of lists) assert.is(list[0]?.record.end?.exitCode, 7);
  assert.equal(await events(new Instances(instance.folders)), ["die"]);
});

test("an end that is seen late does not end a later start", async () => {
  await using instance = await storedInstance({}, [exit(7)]);
  const { store, record, files } = instance;
  await using qemu = await standIn(files.pid);
  const process = await identifyProcess(qemu.pid);
  assert.ok(process);
  if (!process) return;
  const later = { ...launch, process, startedAt: "2026-02-02T00:00:00.000Z" };
  const instances = new Instances(instance.folders);
  // Somebody starts it between our reading of the record and our look at its process.
  const list = instances.store.list.bind(instances.store);
  instances.store.list = async () => {
    const records = await list();
    await store.write({ ...record, launch: later });
    return records;
  };
  assert.is((await instances.list())[0]?.state, "running");
  assert.equal(await store.reread(record.id), { ...record, launch: later });
  assert.equal(await events(instances), []);
});

test("while somebody changes an instance, its end is shown and not recorded", async () => {
  await using instance = await storedInstance({}, [exit(7)]);
  const instances = new Instances(instance.folders);
  await using _lock = await lockFile(instance.files.changeLock);
  assert.is((await instances.get("web")).record.end?.exitCode, 7);
  assert.is((await instance.store.reread(instance.record.id))?.end, undefined);
  assert.equal(await events(instances), []);
});

test("an instance that was to be removed at its end is", async () => {
  const options = { ...instanceRecord().options, autoRemove: true };
  await using instance = await storedInstance({ options }, [exit(0)]);
  const instances = new Instances(instance.folders);
  await instances.images.pin(instance.record.id, "f".repeat(64));
  assert.equal(await instances.list(), []);
  assert.equal(await events(instances), ["die", "destroy"]);
  assert.equal(await readdir(instance.folder.file("data/pins")), []);
  assert.is((await refusal(instances.get("web"))).code, "WL_INSTANCE_UNKNOWN");
});

test("a process that runs is a running instance; SIGKILL ends it, and it is recorded", async () => {
  await using instance = await storedInstance();
  const { store, record, files, folders } = instance;
  await using qemu = await standIn(files.pid);
  const process = await identifyProcess(qemu.pid);
  assert.ok(process);
  if (!process) return;
  await store.write({ ...record, launch: { ...launch, process } });
  const instances = new Instances(folders);
  assert.is((await instances.get("web")).state, "running");
  assert.is((await refusal(instances.remove("web"))).code, "WL_INSTANCE_STATE");
  assert.is((await refusal(instances.start("web"))).code, "WL_INSTANCE_STATE");
  const killed = await instances.kill("web", "SIGKILL");
  assert.is(killed.record.end?.exitCode, 137);
  assert.is(killed.state, "exited");
  assert.equal(await events(instances), ["kill", "die"]);
  await instances.remove("web", { force: true });
  assert.equal(await instances.list(), []);
});

test("a QEMU whose start was never recorded is seen, and can be ended", async () => {
  await using instance = await storedInstance({ launch: undefined });
  const { record, files, folders } = instance;
  await using qemu = await standIn(files.pid);
  await writeFile(files.pid, `${qemu.pid}\n`);
  assert.is((await observe(record, files)).state, "running");
  const instances = new Instances(folders);
  assert.is((await instances.get("web")).state, "running");
  await instances.remove("web", { force: true });
  assert.ok(qemu.child.killed || (await identifyProcess(qemu.pid)) === undefined);
});

test("a pid file of another process, or without a number, means nothing", async () => {
  await using instance = await storedInstance();
  const { record, files } = instance;
  await using other = await standIn("something", "else");
  for (const text of [
    `${other.pid}\n`,
    "1\n",
    "0",
    "-1",
    "",
    "text",
    "99999999",
    "1e3",
    `${process.pid}`,
  ]) {
    await writeFile(files.pid, text);
    assert.equal(await observe(record, files), { state: "exited" }, text);
    assert.equal(
      await observe({ ...record, launch: undefined }, files),
      { state: "created" },
      text,
    );
  }
  await rm(files.pid);
  assert.equal(await observe(record, files), { state: "exited" });
});

test("waiting lasts until QEMU gives its lock back, and can be given up", async () => {
  await using instance = await storedInstance({}, [exit(3)]);
  const { files, folders } = instance;
  const instances = new Instances(folders);
  const alive = await lockFile(files.aliveLock);
  const waiting = instances.wait("web");
  const stop = new AbortController();
  const givenUp = instances.wait("web", { signal: stop.signal });
  stop.abort(new Error("enough"));
  assert.match(String(await givenUp.catch((error) => error)), /enough/);
  await alive.close();
  assert.is((await waiting).exitCode, 3);
});

test("a journal is read after the end, from its beginning or the last start", async () => {
  await using instance = await storedInstance({}, [exit(1, { final: false }), exit(3)]);
  const { instances, record, state } = await seen(instance);
  const statuses = async (options: { launchOnly?: boolean; follow?: boolean }) => {
    const found: unknown[] = [];
    for await (const entry of instances.journal({ record, state }, options)) {
      if (entry.kind === "exit") found.push(entry.exitCode);
    }
    return found;
  };
  assert.equal(await statuses({}), [1, 3]);
  assert.equal(await statuses({ follow: true, launchOnly: true }), [1, 3]);
});

test.run();
