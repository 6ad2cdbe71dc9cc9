import { once } from "node:events";
import { mkdir, readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { pack } from "tar-stream";
import * as assert from "uvu/assert";
import { routes } from "../../../../guest/api/routes.ts";
import type { HostError } from "../../../../host-tools/errors.ts";
import {
  createGuestClient,
  type GuestClient,
} from "../../../../host-tools/guest-client/guest-client.ts";
import { requestPath } from "../../../../host-tools/guest-client/request-path.ts";
import { suite } from "../../../support/suite.ts";
import { ADMIN, MONITOR, type TestAgent, testAgent } from "../../guest/agent/fixture.ts";

const test = suite("host-tools/guest-client");

async function connected(agent: TestAgent, token = ADMIN): Promise<GuestClient> {
  const { app } = agent;
  if (!app.server.listening) await app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = app.server.address() as AddressInfo;
  return createGuestClient({ host: "127.0.0.1", port, token });
}

async function failure(promise: Promise<unknown>): Promise<HostError> {
  return promise.then(
    () => assert.unreachable("it did not fail"),
    (error) => error,
  ) as Promise<HostError>;
}

test("calls an operation by its id and returns its checked reply", async () => {
  await using agent = await testAgent();
  await using client = await connected(agent);
  assert.is(await client.call("osName", {}), "Linux");
  assert.is((await client.call("programStatus", {})).state, "running");
  assert.is(await client.call("envSet", { path: { var: "A/B" }, query: { val: "x y&z" } }), "");
  assert.is(await client.call("envGet", { path: { var: "A/B" } }), "x y&z");
  assert.match(await client.call("metrics", {}), "windlass_program_ready 1");
  await client.call("programStdin", { query: { end: true }, body: Buffer.from("hi") });
  assert.equal(agent.happened.stdin, ["hi<end>"]);
  const reply = await client.call("exec", {
    body: { argv: ["sh", "-c", "cat; exit 3"], stdin: "q" },
  });
  assert.is(reply.exitCode, 3);
  assert.is(reply.stdout, "q");
});

test("passes the agent's refusal on", async () => {
  await using agent = await testAgent();
  await using client = await connected(agent, MONITOR);
  const error = await failure(client.call("programRestart", {}));
  assert.is(error.code, "WL_GUEST_REFUSED");
  assert.is(error.facts.detail?.["status"], 403);
  assert.is(error.facts.detail?.["code"], "WL_AGENT_FORBIDDEN");
  const osv = await failure(client.call("envList", {}));
  assert.is(osv.facts.detail?.["status"], 403);
});

test("says that nobody answers", async () => {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  await using client = createGuestClient({ host: "127.0.0.1", port, token: "x" });
  assert.is((await failure(client.call("osName", {}))).code, "WL_GUEST_UNREACHABLE");
  const exec = failure(client.exec({ argv: ["true"] }));
  assert.is((await exec).code, "WL_GUEST_UNREACHABLE");
});

/** A server that is no agent. */
async function pretender(
  answer: (url: string) => { status: number; body: string } | undefined,
): Promise<{ server: Server; client: GuestClient }> {
  const server = createServer((request, reply) => {
    const answered = answer(request.url ?? "");
    if (answered) reply.writeHead(answered.status).end(answered.body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client = createGuestClient({ host: "127.0.0.1", port, token: "x", timeoutMs: 200 });
  return { server, client };
}

test("refuses replies that are not what the contract says", async () => {
  const { server, client } = await pretender((url) =>
    url === "/os/name" ? { status: 200, body: "<html>" } : { status: 200, body: '{"status":"no"}' },
  );
  try {
    const notJson = await failure(client.call("osName", {}));
    assert.is(notJson.code, "WL_GUEST_PROTOCOL");
    const notTyped = await failure(client.call("health", {}));
    assert.is(notTyped.code, "WL_GUEST_PROTOCOL");
    assert.is((await client.raw("GET", "/os/name")).body.toString(), "<html>");
  } finally {
    await client.close();
    server.close();
  }
});

test("gives up on an agent that does not answer, and at once when told to", async () => {
  const { server, client } = await pretender(() => undefined);
  try {
    assert.is((await failure(client.call("osName", {}))).code, "WL_GUEST_UNREACHABLE");
    const reason = new Error("enough");
    const controller = new AbortController();
    server.once("request", () => controller.abort(reason));
    const aborted = client.call("osName", {}, { signal: controller.signal, timeoutMs: 0 });
    assert.is(await failure(aborted), reason as HostError);
  } finally {
    await client.close();
    server.closeAllConnections();
    server.close();
  }
});

test("repeats a GET when the kept connection was closed meanwhile", async () => {
  let requests = 0;
  const server = createServer((request, reply) => {
    requests += 1;
    if (requests === 2) request.socket.resetAndDestroy();
    else reply.end('"Linux"');
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await using client = createGuestClient({ host: "127.0.0.1", port, token: "x" });
  try {
    assert.is(await client.call("osName", {}), "Linux");
    assert.is(await client.call("osName", {}), "Linux");
    assert.is(requests, 3);
  } finally {
    await client.close();
    server.close();
  }
});

test("follows logs until told to stop", async () => {
  await using agent = await testAgent();
  await using client = await connected(agent);
  const say = (line: string, timeMs: number) =>
    agent.options.logs.push({ kind: "output", timeMs, stream: "stdout", text: line });
  say("one ä\n", 1);
  say("two\n", 2);
  const tail: string[] = [];
  for await (const record of client.logs({ tail: 1 })) tail.push(record.text);
  assert.equal(tail, ["two\n"]);

  const controller = new AbortController();
  const seen: string[] = [];
  try {
    for await (const record of client.logs({ follow: true }, { signal: controller.signal })) {
      seen.push(record.text);
      if (seen.length === 2) say("three\n", 3);
      if (seen.length === 3) controller.abort();
    }
    assert.unreachable("the stream ended by itself");
  } catch (error) {
    assert.is(error, controller.signal.reason);
  }
  assert.equal(seen, ["one ä\n", "two\n", "three\n"]);
});

test("talks to a command", async () => {
  await using agent = await testAgent();
  await using client = await connected(agent);
  await using session = await client.exec({
    argv: ["sh", "-c", 'echo "$GREETING" >&2; cat; exit 5'],
    env: { GREETING: "hello" },
  });
  const output = [text(session.stdout), text(session.stderr)];
  const long = "x".repeat(3_000_000);
  session.stdin.end(long);
  assert.equal(await session.exit, { exitCode: 5, signal: null });
  const [stdout, stderr] = await Promise.all(output);
  assert.is(stdout?.length, long.length);
  assert.is(stderr, "hello\n");
});

test("signals a command, and says when it cannot be started", async () => {
  await using agent = await testAgent();
  await using client = await connected(agent);
  const session = await client.exec({ argv: ["sh", "-c", "echo up; sleep 100"] });
  await once(session.stdout, "data");
  session.signal("SIGTERM");
  assert.equal(await session.exit, { exitCode: null, signal: "SIGTERM" });

  const missing = await client.exec({ argv: ["no-such-program"] });
  const error = await failure(missing.exit);
  assert.is(error.code, "WL_GUEST_REFUSED");
  assert.match(error.message, "no such program");
  await using monitor = await connected(agent, MONITOR);
  assert.is((await failure(monitor.exec({ argv: ["true"] }))).facts.detail?.["status"], 403);
});

test("carries archives both ways, and hears why one was refused while it is still sent", async () => {
  await using agent = await testAgent();
  await using client = await connected(agent);
  const tar = await client.archiveGet(`${agent.folder}/proc`);
  await mkdir(join(agent.folder, "to"));
  const receipt = await client.archivePut(`${agent.folder}/to`, tar);
  assert.ok(receipt.entries > 10);
  assert.match(await readFile(join(agent.folder, "to/proc/uptime"), "utf8"), "12.34");

  const evil = pack();
  evil.entry({ name: "../evil" }, "x");
  evil.entry({ name: "long" }, Buffer.alloc(30_000_000));
  evil.finalize();
  const body = Readable.from(evil, { objectMode: false });
  const error = await failure(client.archivePut(`${agent.folder}/to`, body));
  assert.is(error.code, "WL_GUEST_REFUSED", error.message);
  assert.match(error.message, '".."');
  const upload = await failure(
    client.archivePut("/none", Readable.from([Buffer.alloc(30_000_000)])),
  );
  assert.is(upload.facts.detail?.["status"], 404, upload.message);
});

test("writes arguments into paths and queries", () => {
  const path = (args: object) => requestPath(routes.fileGet, args);
  assert.is(
    path({ path: { path: "/a b/ü/%2e" }, query: { op: "GET" } }),
    "/file/a%20b/%C3%BC/%252e?op=GET",
  );
  assert.is(
    requestPath(routes.networkInterface, { path: { intf: "e/0" } }),
    "/network/ifconfig/e%2F0",
  );
  assert.throws(() => requestPath(routes.networkInterface, {}), /needs intf/);
});

test.run();
