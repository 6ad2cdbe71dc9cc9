/**
 * Real machines, emulated. One of them serves most tests; it is booted once. What a test needs of its
 * own is a boot of its own.
 */
import { readFile } from "node:fs/promises";
import { get } from "node:http";
import * as assert from "uvu/assert";
import type { JournalRecord } from "../../guest/api/journal.ts";
import type { GuestClient } from "../../host-tools/guest-client/guest-client.ts";
import type { StopStep } from "../../host-tools/instance/stop.ts";
import { signalProcess, waitForExit } from "../../host-tools/qemu/process-identity.ts";
import { type BootedMachine, machineSuite, type Rig } from "../support/rig.ts";

/** hello-http's port. */
const PROGRAM_PORT = 8080;
const anyPort = {
  protocol: "tcp",
  hostAddress: "127.0.0.1",
  hostPort: undefined,
  guestPort: PROGRAM_PORT,
} as const;

let rig: Rig;
let web: BootedMachine;
let client: GuestClient;

const test = await machineSuite("booted machine", {
  async setup(newRig) {
    rig = newRig;
    await rig.build("hello-http", { name: "hello" });
    web = await rig.boot({ image: "hello", name: "web", publish: [anyPort] });
    ({ client } = await rig.instances.client("web"));
  },
  async teardown() {
    await client?.close();
  },
});

/** The body of the program's answer on its published port. */
async function answerOf({ instance }: BootedMachine): Promise<string> {
  const port = instance.record.launch?.forwards[0]?.hostPort ?? 0;
  return await new Promise((resolve, reject) => {
    get({ host: "127.0.0.1", port, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      response.on("end", () => resolve(text));
    }).on("error", reject);
  });
}

async function journalOf({ instance }: BootedMachine): Promise<JournalRecord[]> {
  const records: JournalRecord[] = [];
  for await (const record of rig.instances.journal(instance)) records.push(record);
  return records;
}

/** Runs JavaScript in the guest's Node. */
async function evaluate(script: string, signal: AbortSignal) {
  const body = { argv: ["/usr/local/bin/node", "-e", script], timeoutMs: 120_000 };
  return await client.call("exec", { body }, { signal, timeoutMs: 120_000 });
}

test("it is ready when it says so: the program answers on its published port", async () => {
  assert.is(web.readiness, "ready");
  assert.is(await answerOf(web), "Hello from Windlass\n");
});

test("the agent answers as OSv's server does", async () => {
  assert.is(await client.call("osName", {}), "Linux");
  assert.match(await client.call("osVersion", {}), /^\d+\.\d+/);
  assert.is(await client.call("osHostname", {}), "web");
  const total = await client.call("osMemoryTotal", {});
  const { memoryMib } = web.instance.record.options;
  assert.ok(total > 0.7 * memoryMib * 2 ** 20 && total <= memoryMib * 2 ** 20, String(total));
  const cmdline = await client.call("osCmdline", {});
  for (const token of Object.values(web.instance.record.tokens))
    assert.not.ok(cmdline.includes(token));
});

test("the boot's phases are in the journal, in order", async () => {
  const phases = (await journalOf(web)).flatMap((one) => (one.kind === "phase" ? [one.phase] : []));
  assert.equal(phases.slice(0, 2), ["init", "program-started"]);
  for (const phase of ["program-listening", "ready", "agent-listening"] as const) {
    assert.is(phases.filter((one) => one === phase).length, 1, phase);
  }
});

test("what the program writes is in the journal and on the console", async () => {
  const text = (await journalOf(web))
    .map((one) => (one.kind === "output" ? one.text : ""))
    .join("");
  assert.is(text, `listening on port ${PROGRAM_PORT}\n`);
  const console = await readFile(rig.instances.files(web.instance.record).console, "latin1");
  assert.match(console, /windlass: root mounted/);
  assert.match(console, /listening on port 8080/);
});

test("the program runs under the agent, with its status", async () => {
  const status = await client.call("programStatus", {});
  assert.is(status.state, "running");
  assert.is(status.ready, true);
  assert.equal(status.listening, [{ port: PROGRAM_PORT, protocol: "tcp" }]);
});

test("exit statuses and signals of commands arrive, many at once", async ({ signal }) => {
  const scripts = ["process.exit(0)", "process.exit(3)", "process.kill(process.pid, 'SIGKILL')"];
  const replies = await Promise.all(scripts.map((script) => evaluate(script, signal)));
  assert.equal(
    replies.map(({ exitCode, signal: killedBy }) => [exitCode, killedBy]),
    [
      [0, null],
      [3, null],
      [null, "SIGKILL"],
    ],
  );
});

test("process 1 reaps orphans, and takes no exit status from the agent", async ({ signal }) => {
  // The middle process ends at once; its child, an orphan by then, ends after it.
  const script = `
    const { spawn, execFileSync } = require("node:child_process");
    const { existsSync, readFileSync, readdirSync } = require("node:fs");
    const orphan = "setTimeout(() => process.exit(9), 300)";
    const middle = \`const { spawn } = require("node:child_process");
      const child = spawn(process.execPath, ["-e", \${JSON.stringify(orphan)}], { detached: true, stdio: "ignore" });
      console.log(child.pid);
      process.exit(0);\`;
    const pid = Number(execFileSync(process.execPath, ["-e", middle], { encoding: "utf8" }));
    const parentOf = () => /^PPid:\\s+(\\d+)/m.exec(readFileSync("/proc/" + pid + "/status", "utf8"))?.[1];
    console.log("parent", parentOf());
    const wait = () => {
      if (existsSync("/proc/" + pid)) return setTimeout(wait, 20);
      const states = readdirSync("/proc").filter((name) => Number(name) > 0).map((name) => {
        try { return readFileSync("/proc/" + name + "/stat", "latin1").split(") ").at(-1)[0]; } catch { return "gone"; }
      });
      console.log("zombies", states.filter((state) => state === "Z").length);
      process.exit(5);
    };
    wait();
  `;
  const { exitCode, stdout, stderr } = await evaluate(script, signal);
  assert.is(stderr, "");
  assert.is(stdout, "parent 1\nzombies 0\n");
  assert.is(exitCode, 5);
});

test("the root is writable in memory, the program's folder is the image's", async ({ signal }) => {
  const script = `
    const fs = require("node:fs");
    fs.writeFileSync("/app/new", "x"); fs.appendFileSync("/etc/hosts", "");
    console.log(JSON.stringify(fs.readdirSync("/app").sort()), fs.readlinkSync("/proc/1/exe"));
  `;
  const { stdout, stderr } = await evaluate(script, signal);
  assert.is(stderr, "");
  assert.is(stdout, '["new","package.json","server.js"] /init\n');
});

test("a restart of the program is a new process that answers again", async ({ signal }) => {
  const before = await client.call("programStatus", {});
  const after = await client.call("programRestart", {}, { signal, timeoutMs: 60_000 });
  assert.is.not(after.pid, before.pid);
  assert.is(after.restarts, 1);
  for await (const record of rig.instances.journal(web.instance, { follow: true, signal })) {
    if (record.kind === "phase" && record.phase === "ready" && (await answers())) break;
  }
  assert.is(await answerOf(web), "Hello from Windlass\n");
});

/** The first "ready" in the journal is the first start's: the second one is when it answers again. */
const answers = (): Promise<boolean> => client.call("programStatus", {}).then(({ ready }) => ready);

test("stopping asks the program, then the machine; QEMU ends by itself", async () => {
  const seen: StopStep[] = [];
  const { instance, steps } = await rig.instances.stop("web", {
    onStep: (step) => void seen.push(step),
  });
  assert.equal(
    steps.map(({ step, ended }) => [step, ended]),
    [
      ["program", false],
      ["poweroff", true],
    ],
  );
  assert.equal(seen, steps);
  assert.is(instance.state, "exited");
  assert.is(instance.record.end?.signal, "SIGTERM");
  assert.is(instance.record.end?.exitCode, 143);
  assert.equal(await rig.processes(), []);
});

test("it starts again with its own journal, by DHCP too; kill -9 of QEMU is an end", async () => {
  await rig.instances.remove("web");
  const machine = await rig.boot({
    image: "hello",
    name: "dhcp",
    address: "dhcp",
    publish: [anyPort],
  });
  assert.is(machine.readiness, "ready");
  assert.is(await answerOf(machine), "Hello from Windlass\n");
  const { client: agent } = await rig.instances.client("dhcp");
  const resolver = await agent.raw("GET", "/file/%2Fetc%2Fresolv.conf?op=GET");
  assert.is(String(resolver.body), "nameserver 10.0.2.3\n");
  await agent.close();
  const target = machine.instance.record.launch?.process;
  assert.ok(target);
  if (!target) return;
  await signalProcess(target, "SIGKILL");
  await waitForExit(target);
  const { state, record } = await rig.instances.get("dhcp");
  assert.is(state, "exited");
  assert.is(record.end?.exitCode, 137);
  const again = await rig.instances.start("dhcp");
  assert.is(await rig.instances.ready(again), "ready");
  assert.is(again.record.end, undefined);
  await rig.instances.remove("dhcp", { force: true });
});

test("a program that ends with 7 ends its machine with 7", async () => {
  await rig.build("exit-seven", { name: "seven" });
  const { readiness, instance } = await rig.boot({ image: "seven" });
  assert.is(readiness, "ended");
  const end = await rig.instances.wait(instance.record.id);
  assert.equal([end.exitCode, end.signal, end.reason], [7, null, null]);
  const { state } = await rig.instances.get(instance.record.id);
  assert.is(state, "exited");
});

test("a program that needs more memory is told so in words", async () => {
  const hungry = await rig.project("hungry", {
    "index.js": "const all = []; for (;;) all.push(Buffer.alloc(8 * 1024 * 1024, 1));\n",
  });
  await rig.build(hungry, { name: "hungry" });
  const { instance } = await rig.boot({ image: "hungry", memoryMib: 192 });
  const end = await rig.instances.wait(instance.record.id);
  assert.is(end.exitCode, 137);
  assert.match(
    end.reason ?? "",
    /^Out of memory: the kernel killed the program; raise memory to \d+ MiB$/,
  );
});

test("a memory that is too small to boot is an error with a remedy", async () => {
  const error = await rig
    .boot({ image: "hello", name: "tiny", memoryMib: 32 })
    .catch((caught) => caught);
  assert.is(error.code, "WL_BOOT_FAILED", String(error));
  assert.match(error.facts.next, /^Give it more memory: -m \d+$/);
});

test("two machines of one image run at once", async () => {
  const machines = await Promise.all(
    ["one", "two"].map((name) => rig.boot({ image: "hello", name, publish: [anyPort] })),
  );
  for (const machine of machines) assert.is(await answerOf(machine), "Hello from Windlass\n");
});

test("after everything is removed nothing is left", async () => {
  for (const { record } of await rig.instances.list()) {
    await rig.instances.remove(record.id, { force: true });
  }
  assert.equal(await rig.processes(), []);
  assert.equal(await rig.instanceFiles(), []);
});

test.run();
