/** Suspended, checkpointed and restored machines, emulated: they go on exactly where they were. */
import { readdir, truncate } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { HostError } from "../../host-tools/errors.ts";
import { Checkpoints } from "../../host-tools/instance/checkpoints.ts";
import type { Instance } from "../../host-tools/instance/instances.ts";
import { killQemu, machineSuite, type Rig } from "../support/rig.ts";

let rig: Rig;
let checkpoints: Checkpoints;

const test = await machineSuite("checkpoint", {
  async setup(newRig) {
    rig = newRig;
    checkpoints = new Checkpoints(rig.instances);
    await rig.build(await rig.project("counter", { "index.js": COUNTER }), { name: "counter" });
    await rig.boot({
      image: "counter",
      name: "counter",
      scratch: { sizeMib: 64 },
      program: { user: "1000:1000" },
      publish: [{ protocol: "tcp", hostAddress: "127.0.0.1", hostPort: undefined, guestPort: 80 }],
    });
  },
});

/** Counts requests in RAM and, synced, in a file; the start's random name tells machines apart. */
const COUNTER = `
const fs = require("node:fs");
const born = require("node:crypto").randomUUID();
const lines = fs.openSync("/scratch/lines", "a+");
let count = 0;
require("node:http").createServer((request, reply) => {
  if (request.method === "POST") {
    count += 1;
    fs.writeSync(lines, count + "\\n");
    fs.fsyncSync(lines);
  }
  const file = fs.readFileSync("/scratch/lines", "utf8").trim().split("\\n").map(Number);
  const hostname = require("node:os").hostname();
  const mac = require("node:os").networkInterfaces().eth0[0].mac;
  reply.end(JSON.stringify({ born, count, file, hostname, mac, timeMs: Date.now() }));
}).listen(80);
`;

interface Seen {
  readonly born: string;
  readonly count: number;
  readonly file: readonly number[];
  readonly hostname: string;
  readonly mac: string;
  readonly timeMs: number;
}

async function ask(reference: string | Instance, method: "GET" | "POST" = "GET"): Promise<Seen> {
  const { record } = typeof reference === "string" ? await rig.instances.get(reference) : reference;
  const port = record.launch?.forwards[0]?.hostPort;
  const reply = await fetch(`http://127.0.0.1:${port}/`, { method });
  return (await reply.json()) as Seen;
}

/** Whatever the reason: an hour is easier to tell from nothing than the time that a test takes. */
async function beAnHourLate(): Promise<void> {
  const { client } = await rig.instances.client("counter");
  await client.call("clockAdvance", { body: { milliseconds: -3_600_000 } });
  await client.close();
}

async function failure(work: Promise<unknown>): Promise<HostError> {
  return await work.then(
    () => assert.unreachable("it succeeded"),
    (error) => error,
  );
}

test("a suspended machine stands still, says so, and goes on with its clock right", async () => {
  const before = await ask("counter", "POST");
  await beAnHourLate();
  await rig.instances.suspend("counter");
  const { state } = await rig.instances.get("counter");
  assert.is(state, "suspended");
  const refused = await failure(rig.instances.client("counter"));
  assert.is(refused.code, "WL_INSTANCE_STATE");
  assert.match(refused.message, /it is suspended$/);
  assert.match(refused.facts.next ?? "", /windlass resume counter/);
  assert.is((await failure(rig.instances.kill("counter", "SIGHUP"))).code, "WL_INSTANCE_STATE");
  assert.is((await failure(rig.instances.suspend("counter"))).code, "WL_INSTANCE_STATE");

  const { warning } = await rig.instances.resume("counter");
  assert.is(warning, undefined);
  const after = await ask("counter");
  assert.equal({ ...after, timeMs: 0 }, { ...before, timeMs: 0 });
  assert.ok(Math.abs(after.timeMs - Date.now()) < 5_000, String(after.timeMs));
  assert.is((await failure(rig.instances.resume("counter"))).code, "WL_INSTANCE_STATE");
});

test("after a kill of everything, RAM and disk go on where they were saved", async () => {
  const saved = await ask("counter", "POST");
  assert.equal(saved.file, [1, 2]);
  await beAnHourLate();
  const { checkpoint, warning } = await checkpoints.take("counter", { name: "two" });
  assert.is(warning, undefined);
  assert.is(checkpoint.scratch.length, 1);
  const original = await rig.instances.get("counter");
  assert.is(original.state, "running");
  assert.equal((await ask("counter", "POST")).file, [1, 2, 3]);
  await checkpoints.take("counter", { name: "three" });
  assert.equal((await ask("counter", "POST")).file, [1, 2, 3, 4]);

  // Its last state is on the disk of the next cold start, through all layers.
  await killQemu(original);
  const again = await rig.instances.start("counter");
  assert.is(await rig.instances.ready(again), "ready");
  assert.equal((await ask("counter")).file, [1, 2, 3, 4]);
  await killQemu(again);
  await rig.instances.remove("counter");

  const restored = await checkpoints.restore("two");
  assert.is(await rig.instances.ready(restored), "ready");
  assert.is(restored.record.name, "counter");
  assert.not.equal(restored.record.id, original.record.id);
  assert.is(restored.record.macAddress, original.record.macAddress);
  const seen = await ask(restored);
  assert.equal({ ...seen, timeMs: 0 }, { ...saved, timeMs: 0 });
  assert.ok(Math.abs(seen.timeMs - Date.now()) < 5_000, String(seen.timeMs));
  assert.equal((await ask(restored, "POST")).file, [1, 2, 3]);
  const { client } = await rig.instances.client("counter");
  assert.is((await client.call("instance", {})).id, restored.record.id);
  await client.close();
});

test("a second machine of one checkpoint is another machine", async () => {
  await checkpoints.remove("two");
  const second = await checkpoints.restore("three", { name: "other.one" });
  const seen = await ask(second, "POST");
  assert.equal(seen.file, [1, 2, 3, 4]);
  assert.is(seen.hostname, "other-one");
  assert.is(seen.mac, second.record.macAddress);
  assert.not.equal(seen.mac, (await ask("counter")).mac);
  assert.equal((await ask("counter", "POST")).file, [1, 2, 3, 4]);
  await rig.instances.remove("counter", { force: true });
  assert.equal((await ask(second, "POST")).file, [1, 2, 3, 4, 5]);
});

test("a suspended machine can be saved twice, and stays suspended", async () => {
  await rig.instances.suspend("other.one");
  await checkpoints.take("other.one", { name: "still" });
  await checkpoints.take("other.one", { name: "still-2" });
  assert.is((await rig.instances.get("other.one")).state, "suspended");
  assert.is((await checkpoints.store.get("still-2")).stillMs, 0);
  await rig.instances.resume("other.one");
  assert.equal((await ask("other.one", "POST")).file, [1, 2, 3, 4, 5, 6]);
  await checkpoints.remove("still-2");
});

test("a QEMU that is killed while it is saved leaves no checkpoint", async () => {
  const instance = await rig.instances.get("other.one");
  const before = (await checkpoints.store.list()).map(({ name }) => name);
  const taken = failure(checkpoints.take("other.one", { name: "half" }));
  const folder = join(rig.folders.data, "checkpoints");
  while (!(await hasState(folder, before.length))) await new Promise(setImmediate);
  await killQemu(instance);
  const error = await taken;
  assert.is(error.code, "WL_QEMU_FAILED", error.message);
  assert.match(error.facts.next ?? "", /windlass start other\.one/);
  const after = (await checkpoints.store.list()).map(({ name }) => name);
  assert.equal(after, before);
  assert.is((await folders(folder)).length, before.length);
  assert.is((await rig.instances.get("other.one")).state, "exited");
  const again = await rig.instances.start("other.one");
  assert.is(await rig.instances.ready(again), "ready");
  assert.equal((await ask(again)).file, [1, 2, 3, 4, 5, 6]);
  await rig.instances.remove("other.one", { force: true });
});

async function folders(path: string): Promise<string[]> {
  return (await readdir(path)).filter((name) => !name.startsWith("."));
}

/** Whether there is one more with the begin of a state. */
async function hasState(path: string, count: number): Promise<boolean> {
  const names = await folders(path);
  const files = await Promise.all(names.map((name) => readdir(join(path, name))));
  return files.filter((list) => list.includes("state")).length > count;
}

test("a cut state is refused, and no instance is left", async () => {
  const checkpoint = await checkpoints.store.get("three");
  const path = checkpoints.store.statePath(checkpoint.id);
  await truncate(path, checkpoint.state.sizeBytes - 4096);
  const error = await failure(checkpoints.restore("three"));
  assert.is(error.code, "WL_CHECKPOINT_INVALID");
  assert.match(error.message, /^Cannot restore checkpoint "three": its state file has \d+ bytes/);
  assert.ok(error.facts.next);
  assert.equal(await rig.instances.list(), []);
  await checkpoints.remove("three");
  await checkpoints.remove("still");
  assert.equal(await folders(join(rig.folders.data, "checkpoints")), []);
  assert.equal(await rig.instanceFiles(), []);
});

test.run();
