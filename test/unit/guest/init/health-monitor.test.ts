import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import * as assert from "uvu/assert";
import type { Credentials } from "../../../../guest/agent/guest-system.ts";
import type { Health, HealthCheck } from "../../../../guest/api/program.ts";
import { HealthMonitor } from "../../../../guest/init/health-monitor.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("health monitor");

interface Watch extends Disposable {
  readonly monitor: HealthMonitor;
  /** The next change of the verdict. */
  next(): Promise<{ verdict: string; detail: string }>;
}

function watch(check: HealthCheck, changes: Partial<Health> = {}, user?: Credentials): Watch {
  const found: { verdict: string; detail: string }[] = [];
  let wake: () => void = () => undefined;
  const health = {
    check,
    intervalMs: 5,
    timeoutMs: 5000,
    retries: 1,
    startPeriodMs: 0,
    ...changes,
  };
  const monitor = new HealthMonitor({
    health,
    environment: { WINDLASS_TEST: "set", PATH: process.env["PATH"] ?? "" },
    workdir: "/",
    ...(user && { user }),
    onChange: (verdict, detail) => {
      found.push({ verdict, detail });
      wake();
    },
  });
  return {
    monitor,
    async next() {
      while (found.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return found.shift() ?? { verdict: "", detail: "" };
    },
    [Symbol.dispose]: () => monitor.close(),
  };
}

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** A port that nobody listens on: it was free a moment ago. */
async function closedPort(): Promise<number> {
  const server = createServer();
  const port = await listening(server);
  server.close();
  await once(server, "close");
  return port;
}

test("an HTTP check passes with 2xx and 3xx, and says which status it did not like", async () => {
  let status = 204;
  const server = createHttpServer((request, response) => {
    response.statusCode = request.url === "/health?full=1" ? status : 404;
    response.end("body");
  });
  const port = await listening(server);
  using health = watch({ kind: "http", port, path: "/health?full=1" });
  assert.equal(await health.next(), { verdict: "healthy", detail: "the check passed" });
  status = 503;
  assert.equal(await health.next(), { verdict: "unhealthy", detail: "HTTP status 503" });
  status = 302;
  assert.is((await health.next()).verdict, "healthy");
  server.close();
  server.closeAllConnections();
});

test("a reply without an end does not hang the check", async () => {
  const server = createHttpServer((_request, response) => {
    response.writeHead(200);
    response.write("for ever");
  });
  const port = await listening(server);
  using health = watch({ kind: "http", port, path: "/" }, { timeoutMs: 300 });
  assert.is((await health.next()).verdict, "healthy");
  server.closeAllConnections();
  server.close();
});

test("a check without an answer fails after its time", async () => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket));
  const port = await listening(server);
  using health = watch({ kind: "http", port, path: "/" }, { timeoutMs: 30 });
  assert.equal(await health.next(), { verdict: "unhealthy", detail: "no answer within 30 ms" });
  for (const socket of sockets) socket.destroy();
  server.close();
});

test("a TCP check passes when the port is open", async () => {
  const server = createServer((socket) => socket.end());
  const port = await listening(server);
  using health = watch({ kind: "tcp", port });
  assert.is((await health.next()).verdict, "healthy");
  server.close();
  const { verdict, detail } = await health.next();
  assert.is(verdict, "unhealthy");
  assert.match(detail, /ECONNREFUSED/);
});

test("an exec check passes with status 0; it has the program's environment and folder", async () => {
  const right = '[ "$WINDLASS_TEST" = set ] && [ "$PWD" = / ]';
  using good = watch({ kind: "exec", argv: ["/bin/sh", "-c", right] });
  assert.is((await good.next()).verdict, "healthy");
  using bad = watch({ kind: "exec", argv: ["/bin/sh", "-c", "exit 3"] });
  assert.is((await bad.next()).detail, "/bin/sh ended with exit status 3");
  using killed = watch({ kind: "exec", argv: ["/bin/sh", "-c", "kill -9 $$"] });
  assert.is((await killed.next()).detail, "/bin/sh ended with SIGKILL");
  using missing = watch({ kind: "exec", argv: ["/nonexistent/check"] });
  assert.match((await missing.next()).detail, /ENOENT/);
  using endless = watch({ kind: "exec", argv: ["/bin/sleep", "1000"] }, { timeoutMs: 50 });
  assert.is((await endless.next()).detail, "no answer within 50 ms");
});

test("an exec check runs as the program's user", async () => {
  const user = { uid: process.getuid?.() ?? 0, gid: 12_345, home: "/home/me" };
  if (user.uid !== 0) user.gid = process.getgid?.() ?? 0;
  const right = `[ "$HOME" = /home/me ] && [ "$(id -u):$(id -g)" = ${user.uid}:${user.gid} ]`;
  using health = watch({ kind: "exec", argv: ["/bin/sh", "-c", right] }, {}, user);
  assert.equal(await health.next(), { verdict: "healthy", detail: "the check passed" });
});

test("it takes as many failures in a row as were asked for", async () => {
  let requests = 0;
  const server = createHttpServer((_request, response) => {
    requests += 1;
    response.statusCode = 500;
    response.end();
  });
  const port = await listening(server);
  using health = watch({ kind: "http", port, path: "/" }, { retries: 4 });
  assert.is(health.monitor.verdict, "starting");
  assert.is((await health.next()).verdict, "unhealthy");
  assert.is(requests, 4);
  server.close();
  server.closeAllConnections();
});

test("failures while the program starts do not count", async () => {
  let requests = 0;
  const server = createHttpServer((_request, response) => {
    requests += 1;
    response.statusCode = requests > 5 ? 200 : 500;
    response.end();
  });
  const port = await listening(server);
  using health = watch({ kind: "http", port, path: "/" }, { startPeriodMs: 60_000 });
  assert.equal(await health.next(), { verdict: "healthy", detail: "the check passed" });
  assert.is(requests, 6);
  server.close();
  server.closeAllConnections();
});

test("a closed monitor asks and says nothing any more", async () => {
  const port = await closedPort();
  let said = 0;
  const monitor = new HealthMonitor({
    health: {
      check: { kind: "tcp", port },
      intervalMs: 1,
      timeoutMs: 1000,
      retries: 1,
      startPeriodMs: 0,
    },
    environment: {},
    workdir: "/",
    onChange: () => {
      said += 1;
    },
  });
  monitor.close();
  for (let turn = 0; turn < 50; turn += 1) await new Promise((done) => setImmediate(done));
  assert.is(said, 0);
  assert.is(monitor.verdict, "starting");
});

test.run();
