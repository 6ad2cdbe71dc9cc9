import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import * as assert from "uvu/assert";
import { AgentError } from "../../../../guest/agent/agent-error.ts";
import { runAfterHooks, runBeforeHooks } from "../../../../guest/agent/program-hooks.ts";
import type { WakeRecord } from "../../../../guest/api/wake-record.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("program hooks");

const RECORD = {
  kind: "clone",
  instance: { id: "i1", name: "one", hostname: "one" },
  parent: null,
  env: { LATE: "1" },
  args: [],
} satisfies WakeRecord;

async function server(handle: (request: IncomingMessage, response: ServerResponse) => void) {
  const http = createServer(handle).listen(0, "127.0.0.1");
  await once(http, "listening");
  return {
    port: (http.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      if (!http.listening) return;
      http.closeAllConnections();
      http.close();
      await once(http, "close");
    },
  };
}

async function failure(work: Promise<void>): Promise<AgentError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof AgentError) return error;
    throw error;
  }
  return assert.unreachable("it was done") as never;
}

test("posts to the program's own server, and waits for its reply", async ({ signal }) => {
  const seen: unknown[] = [];
  await using program = await server(async (request, response) => {
    seen.push(`${request.method} ${request.url}`, JSON.parse(await text(request)));
    response.writeHead(204).end();
  });
  const { port } = program;
  const hooks = {
    beforeTemplate: { kind: "http", port, path: "/before?x=1" },
    afterClone: { kind: "http", port, path: "/after" },
    settleMs: 60_000,
  } as const;
  await runBeforeHooks({ spec: { hooks }, pid: 1, signal });
  await runAfterHooks({ spec: { hooks }, pid: 1, signal, record: RECORD });
  assert.equal(seen, ["POST /before?x=1", { kind: "template" }, "POST /after", RECORD]);
});

test("says why a request was not the end of it", async ({ signal }) => {
  await using program = await server((request, response) => {
    if (request.url === "/refuse") response.writeHead(503).end();
  });
  const run = (path: string, port = program.port) => {
    const hooks = { beforeTemplate: { kind: "http", port, path }, settleMs: 0 } as const;
    return failure(runBeforeHooks({ spec: { hooks }, pid: 1, signal, timeoutMs: 100 }));
  };
  const refused = await run("/refuse");
  assert.is(refused.statusCode, 409);
  assert.match(refused.message, /beforeTemplate hook \(POST http:\S+\/refuse\).*HTTP status 503/);
  assert.match((await run("/silent")).message, /no reply in 100 ms/);
  await program[Symbol.asyncDispose]();
  assert.match((await run("/", program.port)).message, /ECONNREFUSED/);
});

test("sends a signal", async ({ signal }) => {
  const script = `process.on("SIGUSR2", () => console.log("asked")); console.log("ready"); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    await once(child.stdout, "data");
    const hook = { kind: "signal", signal: "SIGUSR2" } as const;
    const spec = { hooks: { beforeTemplate: hook, afterClone: hook, settleMs: 0 } };
    const asked = once(child.stdout, "data");
    await runBeforeHooks({ spec, pid: child.pid ?? 0, signal });
    assert.is(String(await asked), "asked\n");
    const again = once(child.stdout, "data");
    await runAfterHooks({ spec, pid: child.pid ?? 0, signal, record: RECORD });
    assert.is(String(await again), "asked\n");
  } finally {
    child.kill("SIGKILL");
    await once(child, "close");
  }
});

test("a program that does not run is told so, and nobody else is", async ({ signal }) => {
  const hooks = { beforeTemplate: { kind: "signal", signal: "SIGUSR1" }, settleMs: 0 } as const;
  const error = await failure(runBeforeHooks({ spec: { hooks }, pid: 0, signal }));
  assert.match(error.message, /\(SIGUSR1\) failed: the program does not run/);
});

test("a program without hooks has nothing to do", async ({ signal }) => {
  await runBeforeHooks({ spec: {}, pid: 0, signal });
  await runAfterHooks({ spec: { hooks: { settleMs: 0 } }, pid: 0, signal, record: RECORD });
});

test("can be given up", async () => {
  const hooks = {
    beforeTemplate: { kind: "signal", signal: "SIGCONT" },
    settleMs: 60_000,
  } as const;
  const controller = new AbortController();
  const work = runBeforeHooks({ spec: { hooks }, pid: process.pid, signal: controller.signal });
  controller.abort(new Error("enough"));
  try {
    await work;
    assert.unreachable();
  } catch (error) {
    assert.is((error as Error).name, "AbortError");
  }
});

test.run();
