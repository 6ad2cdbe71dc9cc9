/** Twenty times: run, query, kill -9 of QEMU, ps, rm. Nothing may stay behind; of clones neither. */
import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { MACHINE_TIMEOUT_MS, suite } from "../support/suite.ts";
import { type CliHome, cliHome } from "./cli-home.ts";

const CYCLES = 20;
/** The other machines are clones. */
const COLD_CYCLES = 5;
const examples = join(import.meta.dirname, "../../examples");

let home: CliHome;
let filesBefore: readonly string[];
const test = suite("soak", {
  timeoutMs: MACHINE_TIMEOUT_MS,
  setup: async () => {
    home = await cliHome();
    const built = await home.windlass(["build", join(examples, "hello-http"), "-t", "hello"]);
    assert.is(built.exitCode, 0, built.stderr);
    // The first start unpacks the kernel into the cache, which stays.
    const first = await home.windlass(["run", "-d", "--name", "first", "hello"]);
    assert.is(first.exitCode, 0, first.stderr);
    const template = await home.windlass(["template", "create", "hello"]);
    assert.is(template.exitCode, 0, template.stderr);
    await home.windlass(["rm", "-f", "first"]);
    filesBefore = await files();
  },
  teardown: () => home[Symbol.asyncDispose](),
});

for (let cycle = 1; cycle <= CYCLES; cycle += 1) {
  const way = cycle <= COLD_CYCLES ? "--cold" : "--clone";
  test(`cycle ${cycle} of ${CYCLES}, ${way}, leaves no process, socket, port or file`, async ({
    signal,
  }) => {
    const run = ["run", "-d", way, "--name", "soak", "-p", "8080", "--json", "hello"];
    const started = await home.windlass(run, { signal });
    assert.is(started.exitCode, 0, started.stderr);
    const { pid, ports } = JSON.parse(started.stdout);
    const port: number = ports[0].hostPort;
    const reply = await fetch(`http://127.0.0.1:${port}/`, { signal });
    assert.match(await reply.text(), /Hello/);
    assert.ok(await isListened(port));

    process.kill(pid, "SIGKILL");
    const [row] = JSON.parse((await home.windlass(["ps", "-a", "--json"], { signal })).stdout);
    assert.is(row.state, "exited");
    assert.is(row.exitCode, 137);
    const removed = await home.windlass(["rm", "soak"], { signal });
    assert.is(removed.exitCode, 0, removed.stderr);

    assert.equal(JSON.parse((await home.windlass(["ps", "-a", "--json"])).stdout), []);
    assert.equal(await processes(), []);
    assert.not.ok(await isListened(port));
    assert.equal(await files(), filesBefore);
  });
}

/** Everything in the home, except for the log of events, which is to grow. */
async function files(): Promise<string[]> {
  const names = await readdir(home.folder, { recursive: true });
  return names.filter((name) => !name.endsWith("events.jsonl")).sort();
}

/** Command lines of processes that name the home or have a file of it open. */
async function processes(): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    if (Number(pid) === process.pid) continue;
    const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    const open = await readdir(`/proc/${pid}/fd`).catch(() => []);
    const paths = await Promise.all(
      open.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => "")),
    );
    const isOurs = [line, ...paths].some((text) => text.includes(home.folder));
    if (isOurs) found.push(line.replaceAll("\0", " "));
  }
  return found;
}

/** Whether a TCP port of this host is listened on: /proc/net/tcp, state 0A (proc(5)). */
async function isListened(port: number): Promise<boolean> {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const table = await readFile("/proc/net/tcp", "latin1");
  return table.split("\n").some((line) => line.includes(`:${hex} `) && / 0A /.test(line));
}

test.run();
