/** A program that is a thread of the agent (`isolation: thread`), in one emulated machine for all tests. */
import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import * as assert from "uvu/assert";
import type { ExitRecord, JournalRecord } from "../../guest/api/journal.ts";
import type { GuestClient } from "../../host-tools/guest-client/guest-client.ts";
import { Templates } from "../../host-tools/instance/templates.ts";
import { type BootedMachine, machineSuite, type Rig } from "../support/rig.ts";

const PORT = 8080;
const HEAP_MIB = 24;
const anyPort = {
  protocol: "tcp",
  hostAddress: "127.0.0.1",
  hostPort: undefined,
  guestPort: PORT,
} as const;
/** Does as the path says. Its end is a failure, so that it starts again, but for the last one. */
const PROGRAM = `
const { createServer } = require("node:http");
const { isMainThread } = require("node:worker_threads");
const codeOf = (action) => { try { action(); return "done"; } catch (error) { return error.code; } };
const deeds = {
  "/": () => ({ pid: process.pid, uid: process.getuid(), folder: process.cwd(), isMainThread }),
  "/write": () => { console.log("to the one"); console.error("to the other"); },
  "/forbidden": () => ["chdir", "setuid", "setgid", "umask", "abort"]
    .map((name) => codeOf(() => process[name](name === "chdir" ? "/" : 0))),
  "/spin": () => { for (;;); },
  "/throw": () => { setImmediate(() => { throw new RangeError("out of tune"); }); },
  "/fill": () => { const kept = []; for (;;) kept.push(new Array(1000).fill(kept.length)); },
  "/exit": () => { process.stdout.write("x".repeat(100_000)); process.exit(7); },
};
createServer((request, response) => {
  response.end(JSON.stringify(deeds[request.url]()) ?? "");
}).listen(${PORT});
process.on("SIGUSR2", (name) => console.log("told " + name));
process.on("SIGTERM", () => { console.log("asked to end"); process.exit(4); });
`;
const FILES = {
  "index.js": PROGRAM,
  "package.json": JSON.stringify({
    name: "threaded",
    scripts: { start: `node --max-old-space-size=${HEAP_MIB} index.js` },
  }),
  "windlass.yaml": "isolation: thread\nrestart: on-failure\n",
};

let rig: Rig;
let machine: BootedMachine;
let client: GuestClient;
let journal: AsyncIterator<JournalRecord>;

const test = await machineSuite("program as a thread", {
  async setup(newRig) {
    rig = newRig;
    await rig.build(await rig.project("threaded", FILES), { name: "threaded" });
    machine = await rig.boot({ image: "threaded", name: "threaded", publish: [anyPort] });
    ({ client } = await rig.instances.client("threaded"));
    journal = rig.instances.journal(machine.instance, { follow: true })[Symbol.asyncIterator]();
  },
  async teardown() {
    await client?.close();
  },
});

/** What the program answers; undefined when it ended instead. */
async function ask(path: string): Promise<unknown> {
  const port = machine.instance.record.launch?.forwards[0]?.hostPort ?? 0;
  const request = get({ host: "127.0.0.1", port, path, agent: false });
  try {
    const [response] = (await once(request, "response")) as [IncomingMessage];
    const body = await text(response);
    return body === "" ? undefined : JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** Reads on in the journal, to the first record that `isLast`. */
async function journalTo(isLast: (record: JournalRecord) => boolean): Promise<JournalRecord[]> {
  const records: JournalRecord[] = [];
  for (;;) {
    const { value, done } = await journal.next();
    if (done) throw new Error("the journal has ended");
    records.push(value);
    if (isLast(value)) return records;
  }
}

function outputOf(records: readonly JournalRecord[], stream: "stdout" | "stderr"): string {
  return records
    .map((one) => (one.kind === "output" && one.stream === stream ? one.text : ""))
    .join("");
}

const isReady = (record: JournalRecord): boolean =>
  record.kind === "phase" && record.phase === "ready";

/** The end that the program comes to, what it wrote before; it runs again then. */
async function endAndRestart(): Promise<{ end: ExitRecord; before: JournalRecord[] }> {
  const before = await journalTo(({ kind }) => kind === "exit");
  await journalTo(isReady);
  return { end: before.at(-1) as ExitRecord, before };
}

test("it answers, in the agent's process, and takes itself for the main thread", async () => {
  assert.is(machine.readiness, "ready");
  await journalTo(isReady);
  const { pid, state } = await client.call("programStatus", {});
  assert.is(state, "running");
  assert.equal(await ask("/"), { pid, uid: 0, folder: "/app", isMainThread: true });
});

test("what it writes is in the journal, each stream as itself", async () => {
  await ask("/write");
  const records = await journalTo((one) => one.kind === "output" && one.stream === "stderr");
  assert.is(outputOf(records, "stdout"), "to the one\n");
  assert.is(outputOf(records, "stderr"), "to the other\n");
});

test("what a worker cannot do throws, and the agent goes on", async () => {
  const unsupported = "ERR_WORKER_UNSUPPORTED_OPERATION";
  assert.equal(await ask("/forbidden"), Array(5).fill(unsupported));
  assert.is((await client.call("programStatus", {})).state, "running");
});

test("a signal is an event of it", async () => {
  await client.call("programSignal", { body: { signal: "SIGUSR2" } });
  const records = await journalTo(({ kind }) => kind === "output");
  assert.is(outputOf(records, "stdout"), "told SIGUSR2\n");
});

test("the agent answers while it never rests; SIGKILL ends it", async () => {
  const cut = ask("/spin");
  // The signal that it has a listener for waits for a rest that never comes.
  await client.call("programSignal", { body: { signal: "SIGTERM" } });
  const { stdout } = await client.call("exec", {
    body: { argv: ["/usr/local/bin/node", "-p", "6*7"] },
  });
  assert.is(stdout, "42\n");
  await client.call("programSignal", { body: { signal: "SIGKILL" } });
  const { end } = await endAndRestart();
  assert.equal([end.exitCode, end.signal, end.final], [null, "SIGKILL", false]);
  assert.is(await cut, undefined);
});

test("an error that nobody catches ends it with 1, and is told", async () => {
  await ask("/throw");
  const { end, before } = await endAndRestart();
  assert.equal([end.exitCode, end.signal], [1, null]);
  assert.match(outputOf(before, "stderr"), /^RangeError: out of tune\n {4}at .*\/app\/index\.js:/);
});

test("its heap has its own limit: the agent has memory left to say so", async () => {
  await ask("/fill");
  const { end } = await endAndRestart();
  assert.is(end.exitCode, 1);
  assert.match(end.reason ?? "", /memory/i);
});

test("process.exit ends it with its status; nothing that was written is lost", async () => {
  await ask("/exit");
  const { end, before } = await endAndRestart();
  assert.equal([end.exitCode, end.signal], [7, null]);
  assert.is(outputOf(before, "stdout"), "x".repeat(100_000));
  assert.is((await client.call("programStatus", {})).restarts, 4);
});

test("no template is made of it", async () => {
  const templates = new Templates(rig.instances);
  const error = await templates.create({ image: "threaded" }).catch((caught: unknown) => caught);
  assert.is((error as { code?: string }).code, "WL_TEMPLATE_FAILED");
});

test("it is asked to end, and its own status is the machine's", async () => {
  const { instance } = await rig.instances.stop("threaded");
  assert.equal([instance.record.end?.exitCode, instance.record.end?.signal], [4, null]);
  const records = await journalTo(({ kind }) => kind === "exit");
  assert.is(outputOf(records, "stdout"), "asked to end\n");
});

test.run();
