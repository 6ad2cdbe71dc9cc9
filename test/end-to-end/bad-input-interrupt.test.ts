/** Ctrl-C, SIGTERM and kill -9 at every stage of a machine's life and of every command that waits. */
import { access, readdir, readFile, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { MACHINE_TIMEOUT_MS, suite } from "../support/suite.ts";
import { type BadHome, badHome, type RunningCommand, until } from "./bad-home.ts";

const LISTENER = `require("node:http").createServer((_, r) => r.end("hi")).listen(8080, "0.0.0.0",
  () => console.log("listening"));`;
const STATUS = { SIGINT: 130, SIGTERM: 143 } as const;
const SIGNALS = ["SIGINT", "SIGTERM"] as const;
/** Larger than what is on the way between guest and command. */
const LARGE_BYTES = 48 * 1024 ** 2;

let bad: BadHome;
const test = suite("bad input: interrupt", {
  timeoutMs: MACHINE_TIMEOUT_MS,
  setup: async () => {
    bad = await badHome();
    const folder = await bad.project("web", { "index.js": LISTENER });
    const built = await bad.run(["build", "-q", folder]);
    assert.is(built.exitCode, 0, built.stderr);
  },
  teardown: () => bad[Symbol.asyncDispose](),
});

/** The stages of a start as they show on disk; each is waited for, and then the command is interrupted. */
const stages: readonly (readonly [string, () => Promise<boolean>])[] = [
  ["before anything", async () => true],
  ["when it is made", async () => (await bad.home.instances.store.list()).length > 0],
  ["when QEMU runs", async () => (await bad.remains()).some((line) => /qemu-system/.test(line))],
  ["when its start is recorded", async () => (await records())[0]?.launch !== undefined],
  ["while the kernel boots", async () => (await consoleBytes()) > 0],
];

const records = () => bad.home.instances.store.list();

async function consoleBytes(): Promise<number> {
  const [record] = await records();
  if (!record) return 0;
  const found = await stat(bad.home.instances.files(record).console).catch(() => undefined);
  return found?.size ?? 0;
}

async function states(): Promise<string[]> {
  const { stdout, stderr } = await bad.run(["ps", "-a", "--json"]);
  assert.is(stderr, "");
  return JSON.parse(stdout).map(({ state }: { state: string }) => state);
}

for (const name of SIGNALS) {
  for (const mode of ["-d", "--rm"]) {
    test(`${name} while run ${mode} starts and boots leaves nothing`, async ({ signal }) => {
      for (const [stage, reached] of stages) {
        const running = bad.start(["run", mode, "--name", "brief", "web"]);
        await until(reached, signal);
        const { exitCode, stderr } = await running.end(name);
        // Before it listens for signals, the signal itself ends it.
        if (stage === "before anything" && exitCode === -1) continue;
        assert.is(exitCode, STATUS[name], `${stage}: ${stderr}`);
        assert.not.match(stderr, /error\[/, stage);
        assert.equal(await bad.remains(), [], stage);
      }
    });
  }
}

test("kill -9 while run starts: ps, prune and rm are right, no QEMU is hidden", async ({
  signal,
}) => {
  for (const [stage, reached] of stages) {
    const running = bad.start(["run", "-d", "--name", "orphan", "web"]);
    await until(reached, signal);
    await running.end("SIGKILL");
    // What the killed command had started, such as flock, ends by itself.
    const isQemu = (line: string): boolean => /qemu-system/.test(line);
    const pruned = await bad.run(["prune"]);
    assert.is(pruned.exitCode, 0, pruned.stderr);
    const machines = (await bad.remains()).filter(isQemu).length;
    const shown = await states();
    assert.is(shown.filter((state) => state === "running").length, machines, stage);
    if (shown.length > 0) {
      const removed = await bad.run(["rm", "-f", "orphan"]);
      assert.is(removed.exitCode, 0, `${stage}: ${removed.stderr}`);
    }
    await until(async () => (await bad.remains()).length === 0, signal);
  }
});

test("Ctrl-C ends a program in the foreground, and its machine", async () => {
  const running = bad.start(["run", "--rm", "web"]);
  await running.until(/^listening$/m);
  const { exitCode, stderr } = await running.end("SIGINT");
  assert.is(exitCode, STATUS.SIGINT, stderr);
  assert.match(stderr, /Stopping the program/);
  assert.not.match(stderr, /error\[/);
  assert.equal(await bad.remains(), []);
});

test("a second Ctrl-C does not wait for the program", async () => {
  const running = bad.start(["run", "--rm", "web"]);
  await running.until(/^listening$/m);
  process.kill(running.pid, "SIGINT");
  await running.until(/Stopping the program/);
  const { exitCode, stderr } = await running.end("SIGINT");
  assert.is(exitCode, STATUS.SIGINT, stderr);
  assert.equal(await bad.remains(), []);
});

test("a machine in the background for what follows", async () => {
  const started = await bad.run(["run", "-d", "--name", "web", "web"]);
  assert.is(started.exitCode, 0, started.stderr);
  const make = `require("fs").writeFileSync("/tmp/large", Buffer.alloc(${LARGE_BYTES}))`;
  assert.is((await bad.run(["exec", "web", "--", "node", "-e", make])).exitCode, 0);
});

const waiting: readonly (readonly [
  string,
  readonly string[],
  (command: RunningCommand) => Promise<void>,
])[] = [
  ["logs -f", ["logs", "-f", "web"], (command) => command.until(/^listening$/m)],
  [
    "exec",
    ["exec", "web", "--", "node", "-e", "console.log('begun'); setInterval(() => {}, 1000)"],
    (command) => command.until(/^begun$/m),
  ],
  ["stats", ["stats", "web"], (command) => command.until(/%/)],
  ["attach", ["attach", "web"], connected],
  ["wait", ["wait", "web"], connected],
  ["events", ["events", "--since", "1h"], (command) => command.until(/start/)],
  ["cp out of the guest", ["cp", "web:/tmp/large", "copy"], connected],
];

/** For commands that say nothing: until one has a connection to the guest, or a child that waits. */
async function connected({ pid, done }: RunningCommand): Promise<void> {
  const over = new AbortController();
  void done.then(() => over.abort());
  const isAtWork = async (): Promise<boolean> => {
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
    const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
    const links = descriptors
      .filter((descriptor) => Number(descriptor) > 2)
      .map((descriptor) => readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => ""));
    return children !== "" || (await Promise.all(links)).some((link) => link.startsWith("socket:"));
  };
  await until(isAtWork, over.signal);
}

for (const [name, args, begun] of waiting) {
  test(`${name} can be interrupted, and the machine goes on`, async () => {
    const before = await bad.remains();
    for (const signalName of SIGNALS) {
      const command = bad.start(args);
      await begun(command);
      const { exitCode, stderr } = await command.end(signalName);
      assert.is(exitCode, STATUS[signalName], `${signalName}: ${stderr}`);
      assert.not.match(stderr, /error\[/);
      assert.equal(await bad.remains(), before);
    }
    assert.equal(await states(), ["running"]);
    await access(join(bad.home.folder, "copy")).then(
      () => assert.unreachable("half a file was left"),
      () => undefined,
    );
  });
}

test("cp into the guest can be interrupted, and leaves nothing there", async () => {
  const clear = `require("fs").unlinkSync("/tmp/large")`;
  assert.is((await bad.run(["exec", "web", "--", "node", "-e", clear])).exitCode, 0);
  const large = await bad.file("large", Buffer.alloc(LARGE_BYTES));
  const command = bad.start(["cp", large, "web:/tmp"]);
  await connected(command);
  const { exitCode, stderr } = await command.end("SIGINT");
  assert.is(exitCode, STATUS.SIGINT, stderr);
  const list = `console.log(require("fs").readdirSync("/tmp"))`;
  const { stdout } = await bad.run(["exec", "web", "--", "node", "-e", list]);
  assert.is(stdout, "[]\n");
});

test("an exec that was interrupted has ended in the guest", async () => {
  const { stdout } = await bad.run(["api", "web", "GET", "/os/threads"]);
  const names = (JSON.parse(stdout).list as { name: string }[]).map((thread) => thread.name);
  assert.ok(names.length > 0);
  const busy = await bad.run(["exec", "web", "--", "node", "-p", "require('os').loadavg().length"]);
  assert.is(busy.exitCode, 0, busy.stderr);
});

test("stop can be interrupted and called again", async () => {
  const command = bad.start(["stop", "web"]);
  await connected(command);
  const { exitCode } = await command.end("SIGINT");
  assert.ok(exitCode === STATUS.SIGINT || exitCode === 0, String(exitCode));
  await bad.run(["stop", "web"]);
  assert.equal(await states(), ["exited"]);
  assert.is((await bad.run(["rm", "web"])).exitCode, 0);
  assert.equal(await bad.remains(), []);
});

test.run();
