/** Checkpoints as commands: interrupted, killed, on a full disk; nothing is lost, and nothing is left. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { InstanceView } from "../../host-tools/cli/instance-view.ts";
import { MACHINE_TIMEOUT_MS, suite } from "../support/suite.ts";
import { type BadHome, badHome, isRoot, type RunningCommand, until } from "./bad-home.ts";

/** Keeps much in RAM, so that a save takes its time. */
const COUNTER = `
const kept = require("node:crypto").randomBytes(64 * 1024 * 1024);
let count = 0;
require("node:http").createServer((_, reply) => reply.end(String(++count) + " " + kept.length)).listen(8080);`;

let bad: BadHome;
const test = suite("checkpoint commands", {
  timeoutMs: MACHINE_TIMEOUT_MS,
  setup: async () => {
    bad = await badHome();
    const folder = await bad.project("web", { "index.js": COUNTER });
    for (const args of [
      ["build", "-q", folder],
      ["run", "-d", "--name", "web", "-p", "8080", "web"],
    ]) {
      const { exitCode, stderr } = await bad.run(args);
      assert.is(exitCode, 0, stderr);
    }
  },
  teardown: () => bad[Symbol.asyncDispose](),
});

async function view(name: string): Promise<InstanceView | undefined> {
  const { stdout } = await bad.run(["ps", "-a", "--json"]);
  return (JSON.parse(stdout) as InstanceView[]).find((one) => one.name === name);
}

/** What the program counted so far; every look counts. */
async function count(name = "web"): Promise<number> {
  const port = (await view(name))?.ports[0]?.hostPort;
  const text = await (await fetch(`http://127.0.0.1:${port}/`)).text();
  return Number(text.split(" ")[0]);
}

const folder = (): string => join(bad.home.folder, "data/checkpoints");

async function savedFolders(): Promise<string[]> {
  const names = await readdir(folder()).catch(() => []);
  return names.filter((name) => !name.startsWith("."));
}

/** A command that is just writing the memory of the machine. */
async function saving(signal: AbortSignal): Promise<RunningCommand> {
  const command = bad.start(["checkpoint", "web", "-t", "half"]);
  await until(async () => {
    const [id] = await savedFolders();
    if (id === undefined) return false;
    const names = await readdir(join(folder(), id)).catch(() => []);
    return names.some((name) => name === "state");
  }, signal);
  return command;
}

test("Ctrl-C while it is saved: the machine goes on, and nothing is left", async ({ signal }) => {
  const before = await count();
  const command = await saving(signal);
  assert.is((await command.end("SIGINT")).exitCode, 130);
  assert.equal(await savedFolders(), []);
  assert.is((await view("web"))?.state, "running");
  assert.is(await count(), before + 1);
});

if (isRoot) {
  test("a full disk: a clear error, and the machine goes on", async () => {
    const before = await count();
    await bad.refuses(["checkpoint", "web"], [/Cannot write the machine's state/, /Free space/], {
      wrapper: [
        ...["unshare", "-m", "sh", "-c"],
        'mount -t tmpfs -o size=8m none "$0" && "$@"; code=$?; find "$0" -type f ! -name "*.lock"; exit $code',
        folder(),
      ],
    });
    assert.is((await view("web"))?.state, "running");
    assert.is(await count(), before + 1);
  });
} else {
  test.skip("only root can mount", "a full disk");
}

test("a command that is killed leaves it suspended, and it can go on", async ({ signal }) => {
  const before = await count();
  await (await saving(signal)).end("SIGKILL");
  assert.is((await view("web"))?.state, "suspended");
  assert.match((await bad.run(["ps"])).stdout, /Up .* \(Suspended\)/);
  await bad.refuses(["exec", "web", "true"], [/suspended/, /windlass resume web/]);
  const resumed = await bad.run(["resume", "web"]);
  assert.is(resumed.stderr, "");
  assert.is(resumed.stdout, "web\n");
  assert.is(await count(), before + 1);
  assert.is((await savedFolders()).length, 1, "its half");
  assert.is((await bad.run(["prune"])).exitCode, 0);
  assert.equal(await savedFolders(), []);
});

test("taken, listed, restored beside it, refused when it was edited, removed", async () => {
  const before = await count();
  const taken = await bad.run(["checkpoint", "web", "-t", "one"]);
  assert.match(taken.stdout, /^one [0-9a-f]{12} \(stood still for \d+ ms, .*\)\n$/, taken.stderr);
  await bad.refuses(["checkpoint", "web", "-t", "one"], [/CHECKPOINT_EXISTS/]);
  await bad.refuses(["restore", "two"], [/CHECKPOINT_UNKNOWN/]);
  const listed = JSON.parse((await bad.run(["checkpoint", "ls", "--json"])).stdout);
  assert.is(listed.length, 1);
  const inspected = await bad.run(["checkpoint", "inspect", "one"]);
  assert.is(JSON.parse(inspected.stdout)[0].damage, null);
  const { tokens } = (await bad.home.instances.get("web")).record;
  assert.not.match(inspected.stdout, tokens.admin);
  const { stdout, stderr } = await bad.run(["restore", "one", "--name", "web2", "--json"]);
  const restored: InstanceView = JSON.parse(stdout || "null");
  assert.is(restored?.name, "web2", stderr);
  assert.is(await count("web2"), before + 1);
  assert.is(await count(), before + 1);
  assert.is((await bad.run(["rm", "-f", "web2"])).exitCode, 0);

  const record = join(folder(), listed[0].id, "checkpoint.json");
  const text = await readFile(record, "utf8");
  await writeFile(record, text.replace(/"memory": "(\d+) MiB"/, '"memory": "1 MiB"'));
  await bad.refuses(["restore", "one"], [/its memory is "1 MiB", not /]);
  await writeFile(record, text);
  const state = join(folder(), listed[0].id, "state");
  const bytes = await readFile(state);
  bytes[1_000_000] = (bytes[1_000_000] ?? 0) ^ 1;
  await writeFile(state, bytes);
  await bad.refuses(["restore", "one"], [/CHECKPOINT_INVALID.*its state file was changed/]);
  assert.is((await bad.run(["checkpoint", "rm", "one"])).stdout, "one\n");
  assert.equal(await savedFolders(), []);

  assert.is((await bad.run(["suspend", "web"])).stdout, "web\n");
  assert.is((await bad.run(["stop", "web"])).exitCode, 0);
  assert.is((await view("web"))?.state, "exited", "one that stands still is stopped, too");
  const events = await bad.run(["events", "--since", "1h", "--until", "0s"]);
  assert.match(events.stdout, / resume [\s\S]* suspend /);
  assert.is((await bad.run(["rm", "web"])).exitCode, 0);
  assert.equal(await bad.remains(), []);
});

test.run();
