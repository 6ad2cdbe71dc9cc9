/** Machines that cannot start, end too soon or are taken away, and records that are damaged. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { appendFile, chmod, mkdir, readFile, symlink, unlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import * as assert from "uvu/assert";
import { MACHINE_TIMEOUT_MS, suite } from "../support/suite.ts";
import { type BadHome, badHome, checkRefusal, isRoot, until } from "./bad-home.ts";

const LISTENER = `require("node:http").createServer((_, r) => r.end("hi")).listen(8080, "0.0.0.0",
  () => console.log("listening"));`;
const FAILURE = `console.log("reading config"); throw new Error("there is no config");`;

let bad: BadHome;
const test = suite("bad input: run", {
  timeoutMs: MACHINE_TIMEOUT_MS,
  setup: async () => {
    bad = await badHome();
    for (const [name, source] of [
      ["web", LISTENER],
      ["failing", FAILURE],
    ] as const) {
      const folder = await bad.project(name, { "index.js": source });
      const built = await bad.run(["build", "-q", folder]);
      assert.is(built.exitCode, 0, built.stderr);
    }
  },
  teardown: () => bad[Symbol.asyncDispose](),
});

/** The one machine of this home; a QEMU that only tells its version is none. */
async function qemuPid(): Promise<number | undefined> {
  const isMachine = /^process \d+ \S*qemu-system\S* -name /;
  const lines = (await bad.remains()).filter((line) => isMachine.test(line));
  return lines.length === 0 ? undefined : Number(lines[0]?.split(" ")[1]);
}

/** Kills the one QEMU of this home, as soon as its start is recorded. */
async function killQemu(signal: AbortSignal): Promise<void> {
  await until(async () => {
    const [instance] = await bad.home.instances.store.list();
    return instance?.launch !== undefined && instance.end === undefined;
  }, signal);
  process.kill((await qemuPid()) ?? 0, "SIGKILL");
}

interface PsLine {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly exitCode?: number | null;
}

async function ps(): Promise<PsLine[]> {
  const { stdout, stderr } = await bad.run(["ps", "-a", "--json"]);
  assert.is(stderr, "");
  return JSON.parse(stdout);
}

/** A folder for PATH in which QEMU is this shell script. */
async function fakeQemu(name: string, script: string): Promise<Record<string, string>> {
  const path = await bad.file(`${name}/qemu-system-x86_64`, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return { PATH: `${join(path, "..")}${delimiter}${process.env["PATH"]}` };
}

test("a port in use, of TCP and of UDP", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const tcp = (server.address() as { port: number }).port;
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const udp = socket.address().port;
  const says = (port: string): RegExp[] => [
    new RegExp(`Cannot publish on 127.0.0.1:${port}: it is in use`),
    /next: Choose another host port/,
  ];
  await bad.refuses(["run", "-d", "-p", `${tcp}:8080`, "web"], says(`${tcp}/tcp`));
  await bad.refuses(["run", "-p", `${udp}:8080/udp`, "web"], says(`${udp}/udp`));
  const twice = ["-p", `${udp}:8080`, "-p", `${udp}:8081`];
  await bad.refuses(["run", "-d", ...twice, "web"], says(`${udp}/tcp`));
  await bad.refuses(["run", "-p", "192.0.2.1:0:8080", "web"], [/this host has no such address/]);
  server.close();
  socket.close();
});

test("too little memory to boot", async () => {
  for (const mode of [["-d"], [], ["-d", "--rm"]]) {
    const args = ["run", ...mode, "--name", "small", "-m", "48", "web"];
    await bad.refuses(args, [
      /"small" ended while it booted with 48 MiB/,
      /next: Give it more memory: -m 128/,
    ]);
  }
});

test("no QEMU, an old one, one that is something else, and no kernel", async () => {
  const bare = join(bad.home.folder, "bare");
  await mkdir(bare);
  for (const tool of ["flock", "setpriv"]) await symlink(`/usr/bin/${tool}`, join(bare, tool));
  const refuses = (says: RegExp[], env: Record<string, string>): Promise<unknown> =>
    bad.refuses(["run", "web"], says, { env });
  await refuses([/Cannot find "qemu-system-x86_64" in PATH/, /apt-get install/], { PATH: bare });
  const old = await fakeQemu("old", "echo QEMU emulator version 4.2.1");
  await refuses([/version 4\.2\.1 is older than 7\.0/, /Install a newer QEMU/], old);
  const other = await fakeQemu("other", "echo hello there");
  await refuses([/"hello there" is no QEMU version/], other);
  const broken = await fakeQemu("broken", "echo cannot open libfoo.so >&2; exit 127");
  await refuses([/cannot open libfoo\.so/], broken);
  await bad.refuses(["run", "--kernel", "/etc/passwd", "web"], [/Cannot start the kernel/]);
});

test("a QEMU that hangs when it is asked for its version, or for its monitor", async () => {
  const mute = await fakeQemu("mute", "exec sleep 600");
  const deaf = await fakeQemu(
    "deaf",
    '[ "$1" = --version ] && { echo "QEMU emulator version 8.0.0"; exit; }; exec sleep 600',
  );
  const args = ["run", "--accelerator", "tcg", "web"];
  const [first, second] = await Promise.all([
    bad.run(args, { env: mute }),
    bad.run(args, { env: deaf }),
  ]);
  checkRefusal(args, first, [/it gave no version in 20000 ms/, /Reinstall it/], 1);
  checkRefusal(args, second, [/QEMU's monitor did not answer in 20000 ms/], 1);
  assert.equal(await bad.remains(), []);
});

test("a program that ends at once shows its last output and its status", async () => {
  const [background, foreground] = await Promise.all([
    bad.run(["run", "-d", "--rm", "failing"]),
    bad.run(["run", "--rm", "failing"]),
  ]);
  const says = [
    /ended with exit status 1 before it was ready/,
    /^ {2}reading config$/m,
    /^ {2}Error: there is no config$/m,
  ];
  checkRefusal(["run", "-d", "--rm", "failing"], background, says, 1);
  assert.is(foreground.exitCode, 1);
  assert.match(foreground.stdout, /^reading config$/m);
  assert.match(foreground.stderr, /Error: there is no config/);
  assert.equal(await bad.remains(), []);
});

test("a QEMU that is killed while the guest boots", async ({ signal }) => {
  const atOnce = bad.start(["run", "web"]);
  await until(async () => (await qemuPid()) !== undefined, signal);
  process.kill((await qemuPid()) ?? 0, "SIGKILL");
  checkRefusal(
    ["run"],
    await atOnce.done,
    [/QEMU ended with signal SIGKILL|ended while it booted/],
    1,
  );
  await bad.run(["prune", "--instances"]);
  assert.equal(await bad.remains(), []);

  const temporary = bad.start(["run", "--rm", "web"]);
  await killQemu(signal);
  const said = [/ended while it booted/, /next: Run it again without --rm/];
  checkRefusal(["run", "--rm"], await temporary.done, said, 1);
  assert.equal(await bad.remains(), []);

  const kept = bad.start(["run", "-d", "--name", "killed", "web"]);
  await killQemu(signal);
  checkRefusal(
    ["run", "-d"],
    await kept.done,
    [/ended while it booted/, /next: See the console/],
    1,
  );
  assert.equal(
    (await ps()).map(({ name, state }) => [name, state]),
    [["killed", "exited"]],
  );
  assert.not(
    (await bad.remains()).some((path) => path.startsWith("run/")),
    "no stale socket",
  );
  assert.is((await bad.run(["rm", "killed"])).exitCode, 0);
  assert.equal(await bad.remains(), []);
});

test("a QEMU that is killed while its program runs in the foreground", async ({ signal }) => {
  const running = bad.start(["run", "--rm", "web"]);
  await running.until(/^listening$/m);
  await killQemu(signal);
  const says = [/ended under its program: QEMU was killed, or it crashed/];
  checkRefusal(["run", "--rm"], await running.done, says, 137);
  assert.equal(await bad.remains(), []);
});

test("two runs of one name at once: one wins, the other says who has it", async () => {
  const args = ["run", "-d", "--name", "twin", "web"];
  const results = await Promise.all([bad.run(args), bad.run(args)]);
  const [won, lost] = results.sort((a, b) => a.exitCode - b.exitCode);
  assert.is(won?.exitCode, 0, won?.stderr);
  if (lost) checkRefusal(args, lost, [/the name is taken by [0-9a-f]{12}/, /windlass rm twin/], 1);
  assert.equal(
    (await ps()).map(({ name, state }) => [name, state]),
    [["twin", "running"]],
  );
});

test("a journal with garbage, and a console that is large, do not matter", async () => {
  const [twin] = await bad.home.instances.list();
  assert.ok(twin);
  const { journal, console } = bad.home.instances.files(twin.record);
  await appendFile(journal, 'garbage{\n\x00\xff"}\n{"kind":"nonsense"}\n[]\nnull\n');
  await appendFile(console, "x".repeat(1_000_000));
  const logs = await bad.run(["logs", "twin"]);
  assert.is(logs.exitCode, 0, logs.stderr);
  assert.is(logs.stdout, "listening\n");
  assert.is((await bad.run(["inspect", "twin"])).exitCode, 0);
});

for (const damage of ['{"half', "{}", "null", ""]) {
  test(`a record that is damaged (${damage || "empty"}) hides neither its machine nor the others`, async () => {
    const [twin] = await bad.home.instances.list();
    assert.ok(twin);
    const { record } = bad.home.instances.files(twin.record);
    const text = await readFile(record);
    await writeFile(record, damage);
    assert.equal(
      (await ps()).map(({ name, state }) => [name, state]),
      [[twin.record.id, "running"]],
    );
    await bad.refuses(["stop", "twin"], [/Cannot find instance "twin"/]);
    await writeFile(record, text);
    assert.equal(
      (await ps()).map(({ name }) => name),
      ["twin"],
    );
  });
}

test("a machine with a damaged record can be ended and removed", async () => {
  const [twin] = await bad.home.instances.list();
  assert.ok(twin);
  const { id } = twin.record;
  await writeFile(bad.home.instances.files(twin.record).record, "garbage");
  const removed = await bad.run(["rm", "-f", id]);
  assert.is(removed.exitCode, 0, removed.stderr);
  assert.equal(await bad.remains(), []);
});

test("a stale socket, a stale process id and a killed machine do not keep it from starting", async ({
  signal,
}) => {
  const { exitCode, stderr } = await bad.run(["run", "-d", "--name", "again", "web"]);
  assert.is(exitCode, 0, stderr);
  const [again] = await bad.home.instances.list();
  assert.ok(again);
  await killQemu(signal);
  await until(async () => (await qemuPid()) === undefined, signal);
  assert.equal(
    (await ps()).map(({ state, exitCode: code }) => [state, code]),
    [["exited", 137]],
  );
  const { qmpSocket, pid } = bad.home.instances.files(again.record);
  assert.not(
    (await bad.remains()).some((path) => path.startsWith("run/")),
    "its socket went with it",
  );
  await writeFile(qmpSocket, "stale");
  await writeFile(pid, `${process.pid}\n`);
  assert.equal(
    (await ps()).map(({ state }) => state),
    ["exited"],
    "another process's id is not ours",
  );
  const started = await bad.run(["start", "again"]);
  assert.is(started.exitCode, 0, started.stderr);
  assert.equal(
    (await ps()).map(({ state }) => state),
    ["running"],
  );
  assert.is((await bad.run(["rm", "-f", "again"])).exitCode, 0);
  await unlink(pid).catch(() => undefined);
  assert.equal(await bad.remains(), []);
});

if (isRoot) {
  test("a disk that is full when an instance is made, started or removed", async () => {
    const instances = join(bad.home.folder, "data/instances");
    const mounted = (sizeKib: number, then: string): readonly string[] => [
      ...["unshare", "-m", "sh", "-c"],
      `mount -t tmpfs -o size=${sizeKib}k none "$0" && ${then}`,
      instances,
    ];
    // Room for the record; its document; the starter; QEMU's files, but not for the record of the start.
    for (const sizeKib of [4, 8, 12, 16]) {
      const wrapper = mounted(sizeKib, 'exec "$@"');
      await bad.refuses(["run", "-d", "web"], [/disk|no space/i], { wrapper });
    }
    // It boots, and cannot say so; whoever looks can still remove it.
    const script = `"$@" & sleep 4; set -- windlass; "$@" ps -q; "$@" rm -f full; wait; ls -A "$0"`;
    const { stdout, stderr } = await bad.run(["run", "-d", "--name", "full", "web"], {
      wrapper: mounted(20, script),
    });
    assert.match(stdout, /^[0-9a-f]{12}\nfull\n/, stderr);
    assert.not.match(stdout.split("\n").slice(2).join("\n"), /^[0-9a-f]{12}$/m, "nothing is left");
    assert.equal(await bad.remains(), []);
  });
} else {
  test.skip("only root can mount", "a disk that is full when an instance is made or started");
}

test("nothing was left behind", async () => {
  assert.equal(await ps(), []);
  assert.equal(await bad.remains(), []);
});

test.run();
