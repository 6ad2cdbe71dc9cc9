/** Templates as commands: used by themselves, refused with a reason, interrupted, killed. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { identifyProcess, waitForExit } from "../../host-tools/qemu/process-identity.ts";
import { MACHINE_TIMEOUT_MS, suite } from "../support/suite.ts";
import { type BadHome, badHome, type RunningCommand, until } from "./bad-home.ts";

const SERVER = `
let count = 0;
require("node:http").createServer((_, reply) => reply.end(String(++count))).listen(8080);`;

let bad: BadHome;
const test = suite("template commands", {
  timeoutMs: MACHINE_TIMEOUT_MS,
  setup: async () => {
    bad = await badHome();
    const folder = await bad.project("web", { "index.js": SERVER });
    await succeed(["build", "-q", folder]);
  },
  teardown: () => bad[Symbol.asyncDispose](),
});

async function succeed(args: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  const { exitCode, stdout, stderr } = await bad.run(args);
  assert.is(exitCode, 0, `windlass ${args.join(" ")}: ${stderr}`);
  return { stdout, stderr };
}

const folder = (): string => join(bad.home.folder, "data/templates");

async function templateFolders(): Promise<string[]> {
  const names = await readdir(folder()).catch(() => []);
  return names.filter((name) => !name.startsWith("."));
}

async function pins(): Promise<string[]> {
  return await readdir(join(bad.home.folder, "data/pins")).catch(() => []);
}

/** The process id of the QEMU that a template is being made with. */
async function qemuPid(): Promise<number> {
  for (const id of await templateFolders()) {
    const text = await readFile(join(folder(), id, "qemu.pid"), "utf8").catch(() => "");
    if (text.trim() !== "") return Number(text);
  }
  return 0;
}

/** A command that has come as far as a file of its template. */
async function making(name: string, signal: AbortSignal): Promise<RunningCommand> {
  const command = bad.start(["template", "create", "web", "-t", "half"]);
  await until(async () => {
    const [id] = await templateFolders();
    if (id === undefined) return false;
    const text = await readFile(join(folder(), id, name), "latin1").catch(() => "");
    return text !== "";
  }, signal);
  return command;
}

for (const moment of ["document.json", "qemu.pid", "journal.jsonl", "state"]) {
  test(`Ctrl-C when there is a ${moment}: nothing is left`, async ({ signal }) => {
    const command = await making(moment, signal);
    const pid = await qemuPid();
    const { exitCode, stderr } = await command.end("SIGINT");
    // The save itself takes a tenth of a second; it may have ended before the signal came.
    if (moment === "state" && exitCode === 0) {
      await succeed(["template", "rm", "half"]);
    } else {
      assert.is(exitCode, 130, stderr);
    }
    if (pid !== 0) assert.is(await identifyProcess(pid), undefined);
    assert.equal(await templateFolders(), []);
    assert.equal(await pins(), []);
  });
}

test("kill -9: QEMU ends with the command, and prune removes the rest", async ({ signal }) => {
  const command = await making("journal.jsonl", signal);
  const qemu = await identifyProcess(await qemuPid());
  assert.ok(qemu);
  await command.end("SIGKILL");
  if (qemu) await waitForExit(qemu, { signal });
  assert.is((await templateFolders()).length, 1);
  assert.is((await succeed(["template", "ls", "-q"])).stdout, "");
  await succeed(["prune"]);
  assert.equal(await templateFolders(), []);
  assert.equal(await pins(), []);
});

test("a template is made, listed, used, and said not to fit", async () => {
  const made = await succeed(["template", "create", "web", "-t", "warm"]);
  assert.match(
    made.stdout,
    /^warm [0-9a-f]{12} \(ready after \d+\.\d s, saved in \d+ ms, \d+\.\d MiB\)\n$/,
  );
  assert.match((await succeed(["template", "ls"])).stdout, /^warm +[0-9a-f]{12} +web:latest /m);
  const [inspected] = JSON.parse((await succeed(["template", "inspect", "warm"])).stdout);
  assert.is(inspected.damage, null);

  const clone = await succeed(["run", "-d", "--name", "clone", "-p", "8080", "web"]);
  assert.not.match(clone.stderr, /starting cold/);
  const shown = JSON.parse((await succeed(["inspect", "clone"])).stdout)[0];
  assert.is(JSON.stringify(shown).includes(inspected.id), true);

  const cold = await succeed(["run", "-d", "--name", "cold", "-m", "300", "web"]);
  const lines = cold.stderr.split("\n").filter((line) => line.includes("starting cold"));
  assert.equal(lines, [
    'starting cold: template "warm" does not fit: its memory is "384 MiB", not "300 MiB"',
  ]);
  const asked = await succeed(["run", "-d", "--name", "asked", "--cold", "web"]);
  assert.not.match(asked.stderr, /starting cold/);
});

test("forks have names, ids and ports of their own", async () => {
  const { stdout } = await succeed(["fork", "clone", "-n", "2", "--name", "copy"]);
  assert.is(stdout, "copy-1\ncopy-2\n");
  const views = JSON.parse((await succeed(["ps", "--json"])).stdout) as {
    name: string;
    ports: { hostPort: number }[];
  }[];
  const ours = views.filter(({ name }) => /^(clone|copy-[12])$/.test(name));
  const ports = ours.map(({ ports: [port] }) => port?.hostPort);
  assert.is(new Set(ports).size, 3);
  for (const port of ports) {
    assert.is((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
  }
});

test("what cannot be is refused with a next step", async () => {
  await bad.refuses(["template", "create", "web", "-t", "warm"], [/the name is taken by/]);
  await bad.refuses(["template", "create", "nothing"], [/nothing/]);
  await bad.refuses(["template", "rm", "nothing"], [/Cannot find template "nothing"/]);
  await bad.refuses(["template", "create", "clone", "-m", "1g"], [/"clone" runs/], { exitCode: 2 });
  await bad.refuses(["fork", "clone", "-n", "0"], [/Cannot make 0 copies/], { exitCode: 2 });
  await bad.refuses(["run", "--clone", "--cold", "web"], [/A clone does not boot/], {
    exitCode: 2,
  });
  await bad.refuses(["run", "--clone", "nothing"], [/nothing/]);
  await succeed(["template", "rm", "warm"]);
  await bad.refuses(["run", "--clone", "web"], [/Cannot find template "web"/, /template create/]);
});

test.run();
