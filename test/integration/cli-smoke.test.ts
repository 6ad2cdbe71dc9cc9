/**
 * The command line and the SDK with one real machine each. The commands are those that were built, children of
 * their own, and get the signals a user would send.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";
import { inspect } from "node:util";
import * as assert from "uvu/assert";
import type { InstanceView } from "../../host-tools/cli/instance-view.ts";
import { parsePublish, run } from "../../host-tools/index.ts";
import { machineSuite, type Rig } from "../support/rig.ts";

const MAIN = resolve(import.meta.dirname, "../../dist/host-tools/cli/main.js");
const EXAMPLES = resolve(import.meta.dirname, "../../examples");

let rig: Rig;

const test = await machineSuite("command line with machines", {
  async setup(newRig) {
    rig = newRig;
    await rig.build("hello-http", { name: "hello" });
  },
});

function start(args: readonly string[], stdin: "ignore" | "pipe" = "ignore"): ChildProcess {
  const { path } = rig.folder;
  return spawn(process.execPath, [MAIN, ...args], {
    env: { ...process.env, WINDLASS_HOME: path, XDG_RUNTIME_DIR: path },
    stdio: [stdin, "pipe", "pipe"],
  });
}

async function windlass(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return await outcome(start(args));
}

async function outcome(child: ChildProcess): Promise<{ code: number; out: string; err: string }> {
  const { stdout, stderr } = child;
  if (!stdout || !stderr) throw new TypeError("no pipes");
  const [out, err, [code]] = await Promise.all([text(stdout), text(stderr), once(child, "close")]);
  return { code, out, err };
}

async function nothingIsLeft(): Promise<void> {
  assert.equal(await rig.instances.list(), []);
  assert.equal(await rig.processes(), []);
  assert.equal(await rig.instanceFiles(), []);
}

test("a machine's life, command by command", async () => {
  const started = await windlass("run", "-d", "--name", "h1", "-p", "0:8080", "hello", "--json");
  assert.is(started.code, 0, started.err);
  const view = JSON.parse(started.out);
  assert.is(view.readiness, "ready");

  const listed = JSON.parse((await windlass("ps", "--json")).out) as InstanceView[];
  assert.equal(
    listed.map(({ name, state }) => [name, state]),
    [["h1", "running"]],
  );
  assert.match((await windlass("port", "h1", "8080")).out, /^127\.0\.0\.1:\d+\n$/);
  assert.match((await windlass("api", "h1", "GET", "/os/name")).out, '"Linux"');
  assert.is((await windlass("api", "h1", "GET", "/v1/nothing")).code, 1);
  assert.is((await windlass("logs", "h1")).out, "listening on port 8080\n");
  assert.is((await windlass("exec", "h1", "--", "node", "-e", "process.exit(9)")).code, 9);
  assert.is((await windlass("exec", "h1", "nothing")).code, 127);

  await mkdir(rig.folder.file("copy/sub"), { recursive: true });
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251));
  await writeFile(rig.folder.file("copy/sub/bytes"), bytes, { mode: 0o640 });
  assert.is((await windlass("cp", rig.folder.file("copy"), "h1:/tmp")).code, 0);
  assert.is((await windlass("cp", "h1:/tmp/copy", rig.folder.file("back"))).code, 0);
  assert.equal(await readFile(rig.folder.file("back/sub/bytes")), bytes);

  const inspected = (await windlass("inspect", "h1")).out;
  assert.not.match(inspected, (await rig.instances.get("h1")).record.tokens.admin);
  assert.match((await windlass("rm", "h1")).err, "WL_INSTANCE_STATE");
  assert.is((await windlass("stop", "h1")).out, "h1\n");
  assert.is((await windlass("wait", "h1")).out, "143\n");
  assert.is((await windlass("rm", "h1")).code, 0);
  await nothingIsLeft();
});

test("a foreground run is the program: its output, its input, its status", async () => {
  const script = `
    process.stdout.write("args " + process.argv.slice(2).join("|") + " " + process.env.COLOUR + "\\n");
    process.stdin.on("data", (data) => process.stderr.write("heard " + data));
    process.stdin.on("end", () => process.exit(7));`;
  const folder = await rig.project("echo", { "index.js": script });
  const child = start(["run", "-q", "-i", "--rm", "-e", "COLOUR=red", folder, "--", "-a"], "pipe");
  child.stdin?.end("hello\n");
  const { code, out, err } = await outcome(child);
  assert.is(code, 7, err);
  assert.is(out, "args -a red\n");
  assert.is(err, "heard hello\n");
  await nothingIsLeft();
});

test("Ctrl-C while it boots ends the machine and removes it", async () => {
  const child = start(["run", "--rm", "hello"]);
  const done = outcome(child);
  // The line about emulation comes when QEMU runs.
  if (child.stderr) await once(child.stderr, "data");
  child.kill("SIGINT");
  assert.is((await done).code, 130);
  await nothingIsLeft();
});

test("Ctrl-C asks a program that has begun, although the agent comes later", async () => {
  const script = `
    process.on("SIGTERM", () => { console.log("asked"); process.exit(3); });
    setInterval(() => {}, 1000);
    console.log("begun");`;
  const child = start(["run", "-q", "--rm", await rig.project("asked", { "index.js": script })]);
  const done = outcome(child);
  if (child.stdout) await once(child.stdout, "data");
  child.kill("SIGINT");
  const { code, out, err } = await done;
  assert.is(out, "begun\nasked\n", err);
  assert.is(code, 130);
  await nothingIsLeft();
});

test("a failing start leaves nothing", async () => {
  const exits = await windlass("run", "-q", "-d", "--rm", `${EXAMPLES}/exit-seven`);
  assert.is(exits.code, 1);
  assert.match(exits.err, "exit status 7");
  assert.match(exits.err, "leaving with 7");
  const unknown = await windlass("run", "nothing", "--json");
  assert.is(JSON.parse(unknown.err).error.code, "WL_IMAGE_STORE");
  await nothingIsLeft();
});

test("the SDK runs a machine and gives it back", async ({ signal }) => {
  const { folders } = rig;
  {
    const publish = [parsePublish("8080")];
    await using web = await run({ image: "hello", folders, publish, signal });
    const { port, hostname } = new URL(web.url(8080));
    assert.is(hostname, "127.0.0.1");
    assert.is(Number(port), web.ports[0]?.hostPort);
    assert.throws(() => web.url(9), /not published/);
    const { exitCode, stdout } = await web.exec(["node", "-p", "6 * 7"], { signal });
    assert.equal([exitCode, stdout], [0, "42\n"]);
    assert.match(inspect(web), new RegExp(`RunningInstance ${web.name} \\(`));
    assert.is(JSON.parse(JSON.stringify(web)).id, web.id);
  }
  await nothingIsLeft();
  const aborted = AbortSignal.abort(new Error("changed my mind"));
  const error = await run({ image: "hello", folders, signal: aborted }).catch((reason) => reason);
  assert.is(error.message, "changed my mind");
  await nothingIsLeft();
});

test.run();
