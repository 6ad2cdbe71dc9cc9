import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import * as assert from "uvu/assert";
import type { Pty } from "../../../../guest/agent/guest-system.ts";
import type { ExecRequest } from "../../../../guest/api/exec.ts";
import {
  EXEC_FRAME_MAX_BYTES,
  ExecFrameDecoder,
  encodeExecFrame,
} from "../../../../guest/api/exec-frame.ts";
import { loadNativeLibrary } from "../../../../guest/syscalls/koffi.ts";
import { pseudoTerminals } from "../../../../guest/syscalls/pseudo-terminal.ts";
import { createGuestClient } from "../../../../host-tools/guest-client/guest-client.ts";
import { terminalHelperExecutable } from "../../../../image-builder/first-process/terminal-helper.ts";
import { suite } from "../../../support/suite.ts";
import { ADMIN, asAdmin, type TestAgent, testAgent } from "./fixture.ts";

const test = suite("guest/agent/exec");

const exec = (agent: TestAgent, body: ExecRequest) =>
  agent.app.inject({ method: "POST", url: "/v1/exec", headers: asAdmin, payload: body });

async function portOf(agent: TestAgent): Promise<number> {
  await agent.app.listen({ host: "127.0.0.1", port: 0 });
  return (agent.app.server.address() as AddressInfo).port;
}

test("runs a program to its end", async () => {
  await using agent = await testAgent();
  const reply = await exec(agent, {
    argv: ["sh", "-c", 'pwd; echo "$A $SECRET $HOME" >&2; cat; exit 7'],
    env: { A: "1" },
    workdir: "/tmp",
    user: "me",
    stdin: "in",
  });
  assert.equal(reply.json(), {
    exitCode: 7,
    signal: null,
    stdout: "/tmp\nin",
    stderr: "1 s3cret /home/me\n",
    truncated: false,
    timedOut: false,
  });
});

test("says how a program was ended, and ends one that takes too long", async () => {
  await using agent = await testAgent();
  const killed = (await exec(agent, { argv: ["sh", "-c", "kill -9 $$"] })).json();
  assert.is(killed.exitCode, null);
  assert.is(killed.signal, "SIGKILL");
  const late = (await exec(agent, { argv: ["sh", "-c", "sleep 100"], timeoutMs: 50 })).json();
  assert.is(late.timedOut, true);
  assert.is(late.signal, "SIGKILL");
});

test("keeps the beginning of long output and reads on", async () => {
  await using agent = await testAgent();
  const reply = (await exec(agent, { argv: ["head", "-c", "3000000", "/dev/zero"] })).json();
  assert.is(reply.exitCode, 0);
  assert.is(reply.stdout.length, 1024 * 1024);
  assert.is(reply.truncated, true);
});

test("does not wait for ever for what a program leaves running", async () => {
  await using agent = await testAgent();
  const reply = (await exec(agent, { argv: ["sh", "-c", "sleep 5 & echo $!"] })).json();
  assert.is(reply.exitCode, 0);
  process.kill(Number(reply.stdout), "SIGKILL");
});

test("says in words why a program cannot be started", async () => {
  await using agent = await testAgent();
  const plain = join(agent.folder, "plain");
  await writeFile(plain, "", { mode: 0o644 });
  const cases: readonly (readonly [ExecRequest, number, RegExp])[] = [
    [{ argv: ["none-such"] }, 422, /no such program/],
    [{ argv: [plain] }, 422, /not executable/],
    [{ argv: ["true"], workdir: "/none" }, 422, /there is no folder "\/none"/],
    [{ argv: ["true"], user: "ghost" }, 422, /no user "ghost"/],
    [{ argv: [] }, 400, /body\/argv/],
    [{ argv: ["a\0b"] }, 400, /body\/argv\/0/],
  ];
  for (const [request, status, message] of cases) {
    const reply = await exec(agent, request);
    assert.is(reply.statusCode, status, reply.body);
    assert.match(reply.json().message, message);
  }
});

test("hangs up on a program whose caller goes away", async ({ signal }) => {
  await using agent = await testAgent();
  const port = await portOf(agent);
  await using client = createGuestClient({ host: "127.0.0.1", port, token: ADMIN });
  const script = `trap 'echo gone > gone; exit' HUP; echo $$; sleep 100 & wait`;
  const session = await client.exec({ argv: ["sh", "-c", script] });
  const [chunk] = (await once(session.stdout, "data", { signal })) as [Buffer];
  const processId = Number(chunk.toString());
  await session.close();
  while (isAlive(processId)) {
    signal.throwIfAborted();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const gone = await agent.app.inject({
    url: `/file${agent.folder}/gone?op=GET`,
    headers: asAdmin,
  });
  assert.is(gone.body, "gone\n");
});

function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch {
    return false;
  }
}

test("holds a program up whose output nobody takes, and loses none of it", async () => {
  await using agent = await testAgent();
  const port = await portOf(agent);
  await using client = createGuestClient({ host: "127.0.0.1", port, token: ADMIN });
  const connections: Socket[] = [];
  agent.app.server.on("connection", (socket) => connections.push(socket));
  await using session = await client.exec({ argv: ["head", "-c", "20000000", "/dev/zero"] });
  await once(session.stdout, "readable");
  // Until nothing moves any more: the sockets are full and the agent holds what it may hold.
  let held = -1;
  for (let still = 0; still < 20_000; still += 1) {
    const now = Math.max(...connections.map((socket) => socket.writableLength));
    if (now !== held) still = 0;
    held = now;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(held < 1_000_000, `the agent holds ${held} bytes`);
  const all = await buffer(session.stdout);
  assert.is(all.length, 20_000_000);
  assert.equal(await session.exit, { exitCode: 0, signal: null });
});

test("refuses other upgrades, and frames that make no sense", async () => {
  await using agent = await testAgent();
  const port = await portOf(agent);
  const upgraded = async (lines: string, ...frames: Buffer[]): Promise<Buffer> => {
    const socket = connect(port, "127.0.0.1");
    const text = `${lines}\r\nHost: x\r\nConnection: Upgrade\r\nAuthorization: ${asAdmin.authorization}`;
    socket.write(`${text}\r\n\r\n`);
    for (const frame of frames) socket.write(frame);
    return buffer(socket);
  };
  const status = async (lines: string) => (await upgraded(lines)).toString().split("\r\n")[0];
  const post = "POST /v1/exec HTTP/1.1";
  assert.match(String(await status(`${post}\r\nUpgrade: websocket`)), "400");
  assert.match(String(await status("GET /v1/exec HTTP/1.1\r\nUpgrade: windlass-exec")), "404");
  assert.match(String(await status("POST /os/name HTTP/1.1\r\nUpgrade: windlass-exec")), "404");
  const refused = async (...frames: Buffer[]) => {
    const bytes = await upgraded(`${post}\r\nUpgrade: windlass-exec`, ...frames);
    const [frame] = new ExecFrameDecoder().push(bytes.subarray(bytes.indexOf("\r\n\r\n") + 4));
    assert.is(frame?.type, "error");
    return JSON.parse(String(frame?.payload)).message as string;
  };
  assert.match(await refused(encodeExecFrame("stdin", "x")), "it is stdin");
  assert.match(await refused(encodeExecFrame("open", "{")), "not JSON");
  assert.match(await refused(encodeExecFrame("open", '{"argv":"ls"}')), "open/argv");
  assert.match(await refused(Buffer.alloc(5, 0xff)), "unknown");
});

test("gives a program a terminal of the asked size", async ({ signal }) => {
  const helper: string[] = [];
  await using agent = await testAgent({ openPty: openPty(), ttyHelper: helper });
  helper.push(join(agent.folder, "windlass-tty"));
  await writeFile(String(helper[0]), terminalHelperExecutable(), { mode: 0o755 });
  const port = await portOf(agent);
  await using client = createGuestClient({ host: "127.0.0.1", port, token: ADMIN });
  const script = 'stty size; read line; stty size; echo "got $line"; tty; cat; exit 4';
  await using session = await client.exec({
    argv: ["sh", "-c", script],
    tty: true,
    columns: 100,
    rows: 30,
    user: "me",
  });
  let seen = "";
  session.stdout.setEncoding("utf8").on("data", (text: string) => {
    seen += text;
  });
  const shows = async (text: string) => {
    while (!seen.includes(text)) await once(session.stdout, "data", { signal });
  };
  await shows("30 100\r\n");
  session.resize(120, 40);
  session.stdin.write("hello\r");
  await shows("got hello\r\n");
  assert.match(seen, "40 120\r\n");
  await shows("/dev/pts/");
  session.stdin.end();
  assert.equal(await session.exit, { exitCode: 4, signal: null });
});

test("says so when a terminal's program does not exist", async () => {
  await using agent = await testAgent({ openPty: openPty() });
  const port = await portOf(agent);
  await using client = createGuestClient({ host: "127.0.0.1", port, token: ADMIN });
  const session = await client.exec({ argv: ["none-such"], tty: true });
  const error = await session.exit.catch((reason) => reason);
  assert.match(error.message, "no such program");
});

test("refuses a terminal where there is none", async () => {
  await using agent = await testAgent();
  const port = await portOf(agent);
  await using client = createGuestClient({ host: "127.0.0.1", port, token: ADMIN });
  const session = await client.exec({ argv: ["true"], tty: true });
  const error = await session.exit.then(
    () => undefined,
    (reason) => reason,
  );
  assert.is(error.facts.detail.code, "WL_AGENT_UNSUPPORTED");
});

/** Real pseudo terminals, by the guest's own system calls. */
function openPty(): (columns: number, rows: number) => Pty {
  const { resolve } = createRequire(import.meta.url);
  const folder = resolve("@koromix/koffi-linux-x64/package.json");
  return pseudoTerminals(loadNativeLibrary(join(folder, "../linux_x64/koffi.node")));
}

test("refuses a program whose name fills a frame, and lives on", async () => {
  await using agent = await testAgent();
  await using client = createGuestClient({
    host: "127.0.0.1",
    port: await portOf(agent),
    token: ADMIN,
  });
  const name = "a".repeat(EXEC_FRAME_MAX_BYTES - 100);
  const session = await client.exec({ argv: [name] });
  const failure = await session.exit.catch((error) => error);
  assert.is(failure.code, "WL_GUEST_REFUSED");
  assert.match(failure.message, /Cannot start "aaa/);
});

test("does not hand its protection from the out-of-memory killer on", async () => {
  await using agent = await testAgent({ procRoot: "/proc" });
  // It looks when its input comes, and that comes when it has been started.
  const readScore = {
    argv: ["sh", "-c", "read line; cat /proc/self/oom_score_adj"],
    stdin: "go\n",
  };
  const before = await readFile("/proc/self/oom_score_adj", "utf8");
  await writeFile("/proc/self/oom_score_adj", "7");
  try {
    assert.is((await exec(agent, readScore)).json().stdout, "0\n");
  } finally {
    await writeFile("/proc/self/oom_score_adj", before);
  }
});

test.run();
