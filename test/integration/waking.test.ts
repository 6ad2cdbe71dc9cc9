/** How machines wake that were saved, seen from inside: who runs, who stands still, who is told. */
import * as assert from "uvu/assert";
import { freezeMachine } from "../../host-tools/instance/freeze.ts";
import type { Instance } from "../../host-tools/instance/instances.ts";
import { WAKE_PORT_NR } from "../../host-tools/instance/machine-description.ts";
import { suspendMachine } from "../../host-tools/instance/suspension.ts";
import { Templates } from "../../host-tools/instance/templates.ts";
import { WakePort } from "../../host-tools/instance/wake.ts";
import { portSocketId } from "../../host-tools/qemu/command-line.ts";
import { connectQmp, type QmpConnection } from "../../host-tools/qmp/connection.ts";
import { machineSuite, type Rig } from "../support/rig.ts";

let rig: Rig;
let templates: Templates;

const test = await machineSuite("waking", {
  async setup(newRig) {
    rig = newRig;
    templates = new Templates(rig.instances);
    const source = { "index.js": SEER };
    await rig.build(await rig.project("seer", source), { name: "seer" });
    const told = await rig.project("told", { ...source, "windlass.yaml": TOLD });
    await rig.build(told, { name: "told" });
  },
});

/** Says what it hears, and what it sees of its machine. */
const SEER = `
const fs = require("node:fs");
const heard = [];
process.on("SIGUSR2", () => heard.push("SIGUSR2"));
const processes = () =>
  fs.readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name)).flatMap((pid) => {
    try {
      const [, name] = /\\((.*)\\)/.exec(fs.readFileSync(\`/proc/\${pid}/stat\`, "utf8"));
      return [{ pid: Number(pid), name }];
    } catch {
      return [];
    }
  });
require("node:http").createServer((request, reply) => {
  let body = "";
  request.on("data", (bytes) => { body += bytes; }).on("end", () => {
    if (request.url === "/awake") heard.push(JSON.parse(body));
    const hosts = fs.readFileSync("/etc/hosts", "utf8");
    reply.end(JSON.stringify({ self: process.pid, heard, hosts, processes: processes() }));
  });
}).listen(8080);
`;

const TOLD = `
hooks: { beforeTemplate: SIGUSR2, afterClone: "http://:8080/awake" }
`;

interface Seen {
  readonly self: number;
  readonly heard: readonly (string | { kind: string; instance?: { name: string } })[];
  readonly hosts: string;
  readonly processes: readonly { pid: number; name: string }[];
}

async function started(image: string, name: string): Promise<Instance> {
  const port = { protocol: "tcp", hostAddress: "127.0.0.1", hostPort: undefined } as const;
  const publish = [{ ...port, guestPort: 8080 }];
  const { record } = await rig.instances.create({ image, name, accelerator: "tcg", publish });
  const instance = await rig.instances.start(record.id);
  await rig.instances.ready(instance);
  return instance;
}

async function ask(instance: Instance): Promise<Seen> {
  const port = instance.record.launch?.forwards[0]?.hostPort;
  const headers = { connection: "close" };
  const reply = await fetch(`http://127.0.0.1:${port}/`, { headers });
  return (await reply.json()) as Seen;
}

/** Asks until what is seen is so: the machine may still be waking. */
async function askUntil(instance: Instance, isSo: (seen: Seen) => boolean): Promise<Seen> {
  for (;;) {
    const seen = await ask(instance);
    if (isSo(seen)) return seen;
  }
}

/** Of the helper and the agent: the machine's programs apart from the one that is asked. */
function others({ self, processes }: Seen): string[] {
  return processes
    .filter(({ pid, name }) => pid !== self && ["node", "windlass-wake"].includes(name))
    .map(({ name }) => name)
    .sort();
}

test("the agent of a clone stands still until it is asked something", async () => {
  await templates.create({ image: "seer", name: "seer", accelerator: "tcg" });
  const clone = await started("seer", "one");
  assert.is(clone.record.launch?.boot?.kind, "clone");
  // As long as the helper is there, the agent waits for it.
  const asleep = await ask(clone);
  assert.equal(others(asleep), ["node", "windlass-wake"]);
  assert.match(asleep.hosts, /^127\.0\.0\.1 localhost one\n/);

  const { client } = await rig.instances.client("one");
  assert.is((await client.call("instance", {})).name, "one");
  await client.close();
  const awake = await askUntil(clone, (seen) => others(seen).length === 1);
  assert.equal(others(awake), ["node"]);
});

async function isWakePortOpen(qmp: QmpConnection): Promise<boolean> {
  const all = await qmp.execute("query-chardev");
  const port = all.find(({ label }) => label === portSocketId(WAKE_PORT_NR));
  return port !== undefined && !port.filename.startsWith("disconnected:");
}

test("a machine whose saving was given up without a word goes on as it was", async () => {
  const source = await rig.instances.get("one");
  await rig.instances.whileRunning("one", {}, async ({ record, files, client, machineEnded }) => {
    await using qmp = await connectQmp({ path: files.qmpSocket });
    const stop = () => suspendMachine(qmp, record, files);
    const { port } = await freezeMachine({ files, client, qmp, machineEnded, stop });
    port[Symbol.dispose]();
    while (await isWakePortOpen(qmp)) {
      // QEMU has not seen it yet.
    }
  });
  await rig.instances.resume("one");
  const awake = await askUntil(source, (seen) => others(seen).length === 1);
  assert.equal(others(awake), ["node"]);
  const { client } = await rig.instances.client("one");
  assert.is((await client.call("instance", {})).name, "one");
  await client.close();
  await rig.instances.remove("one", { force: true });
});

test("a clone that is never told who it is ends", async () => {
  const { send } = WakePort.prototype;
  WakePort.prototype.send = function () {
    this[Symbol.dispose]();
  };
  let lost: Instance;
  try {
    const { record } = await rig.instances.create({ image: "seer", accelerator: "tcg" });
    lost = await rig.instances.start(record.id);
  } finally {
    WakePort.prototype.send = send;
  }
  assert.is(lost.record.launch?.boot?.kind, "clone");
  await rig.instances.wait(lost.record.id);
  assert.is((await rig.instances.get(lost.record.id)).state, "exited");
  await rig.instances.remove(lost.record.id);
});

test("a program with hooks by signal and request is told, and the agent is awake", async () => {
  await templates.create({ image: "told", name: "told", accelerator: "tcg" });
  const clone = await started("told", "two");
  assert.is(clone.record.launch?.boot?.kind, "clone");
  const seen = await askUntil(clone, ({ heard }) => heard.length === 2);
  const [signal, record] = seen.heard;
  assert.is(signal, "SIGUSR2");
  assert.ok(typeof record === "object");
  assert.is(typeof record === "object" && record.kind, "clone");
  assert.is(typeof record === "object" && record.instance?.name, "two");
  const awake = await askUntil(clone, (now) => others(now).length === 1);
  assert.equal(others(awake), ["node"]);
});

test.run();
