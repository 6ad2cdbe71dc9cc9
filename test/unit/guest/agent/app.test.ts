import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { parseCommands } from "../../../../guest/agent/command-line.ts";
import { suite } from "../../../support/suite.ts";
import { asAdmin, asMonitor, type TestAgent, testAgent } from "./fixture.ts";

const test = suite("guest/agent/app");

test("splits commands as OSv's loader does", () => {
  assert.equal(parseCommands("a b"), [["a", "b"]]);
  assert.equal(parseCommands(`/x "b c" 'd "e' f\\ g ""`), [["/x", "b c", 'd "e', "f g", ""]]);
  assert.equal(parseCommands("a&b &! c&"), [["a"], ["b"], ["c"]]);
  assert.equal(parseCommands('a "&" \\&'), [["a", "&", "&"]]);
  assert.throws(() => parseCommands("a;"), /use & for multiple commands/);
  for (const bad of ["", " & ", 'a "b', "a \\"]) {
    assert.throws(() => parseCommands(bad), /Bad formatted command/);
  }
});

const run = (agent: TestAgent, command: string) =>
  agent.app.inject({ method: "PUT", url: "/app/", query: { command }, headers: asAdmin });

const nextOutput = (agent: TestAgent): Promise<string> =>
  new Promise((resolve) => {
    const stop = agent.options.logs.subscribe(({ text }) => {
      stop();
      resolve(text);
    });
  });

test("starts programs, keeps their output, and knows when they have ended", async () => {
  await using agent = await testAgent();
  const finished = async (tid: string) =>
    (await agent.app.inject({ url: `/app/finished?tid=${tid}`, headers: asAdmin })).json();
  const output = nextOutput(agent);
  const reply = await run(agent, 'sh -c "echo $SECRET; exec sleep 100"');
  assert.is(reply.statusCode, 200, reply.body);
  const id = reply.json();
  assert.is(await output, "s3cret\n");
  assert.is(await finished(id), "0");
  assert.is(await finished("1"), "1");
  process.kill(Number(id), "SIGKILL");
  while ((await finished(id)) === "0") await new Promise((resolve) => setImmediate(resolve));
  assert.match((await run(agent, "true & true")).json(), /^\d+ \d+$/);
});

test("refuses what it cannot start, in OSv's shape", async () => {
  await using agent = await testAgent();
  assert.equal((await run(agent, "true;")).json(), {
    message: "The use of ; is not allowed, use & for multiple commands",
    code: 400,
  });
  assert.is((await run(agent, "/no/such/program")).statusCode, 422);
  assert.equal((await run(agent, "")).json(), {
    message: "Missing mandatory parameter 'command'",
    code: 400,
  });
});

test("ends what it started when it closes", async () => {
  const agent = await testAgent();
  const output = nextOutput(agent);
  const command = `sh -c 'trap "echo bye; exit" TERM; echo up; sleep 100 & wait'`;
  await run(agent, command);
  await output;
  const last = nextOutput(agent);
  await agent[Symbol.asyncDispose]();
  assert.is(await last, "bye\n");
});

test("answers several calls in one, each with its own code", async () => {
  await using agent = await testAgent();
  const calls = [
    { method: "GET", relative_url: "/os/name" },
    { method: "GET", relative_url: "/env/SECRET" },
    { method: "GET", relative_url: "/v1/metrics" },
    { method: "GET", relative_url: "/nope" },
    { method: "POST", relative_url: "/api/stop" },
  ];
  const send = (batch: string, headers: Record<string, string>) => {
    const body = `--b\r\nContent-Disposition: form-data; name="batch"\r\n\r\n${batch}\r\n--b--\r\n`;
    return agent.app.inject({
      method: "POST",
      url: "/api/batch",
      headers: { ...headers, "content-type": "multipart/form-data; boundary=b" },
      payload: body,
    });
  };
  const full = (await send(JSON.stringify(calls), asAdmin)).json();
  assert.equal(full[0], { code: 200, body: "Linux" });
  assert.equal(full[1], { code: 200, body: "s3cret" });
  assert.type(full[2].body, "string");
  assert.is(full[3].code, 404);
  assert.is(full[4].code, 400);
  const low = (await send(JSON.stringify(calls), asMonitor)).json();
  assert.is(low[0].code, 200);
  assert.is(low[1].code, 403);
  assert.is((await send("[{'method':'GET','relative_url':'/os/name'}]", asAdmin)).statusCode, 200);
  assert.is((await send("nonsense", asAdmin)).statusCode, 400);
  assert.is((await send(JSON.stringify(Array(65).fill(calls[0])), asAdmin)).statusCode, 400);
  const form = await agent.app.inject({
    method: "POST",
    url: "/api/batch",
    headers: { ...asAdmin, "content-type": "application/x-www-form-urlencoded" },
    payload: new URLSearchParams({ batch: JSON.stringify(calls.slice(0, 1)) }).toString(),
  });
  assert.equal(form.json(), [{ code: 200, body: "Linux" }]);
});

test("batches hold no streams, however their paths are written", async () => {
  await using agent = await testAgent();
  const urls = [
    "/v1/logs",
    "/v1/logs?follow=true",
    "/v1/%6cogs?follow=true",
    "/x/../v1/logs?follow=true",
    `/v1/archive?path=${agent.folder}`,
  ];
  const calls = urls.map((url) => ({ method: "GET", relative_url: url }));
  await writeFile(join(agent.folder, "large"), Buffer.alloc(2 * 1024 * 1024));
  const send = (batch: unknown) =>
    agent.app.inject({
      method: "POST",
      url: "/api/batch",
      headers: { ...asAdmin, "content-type": "application/x-www-form-urlencoded" },
      payload: new URLSearchParams({ batch: JSON.stringify(batch) }).toString(),
    });
  const replies: { code: number }[] = (await send(calls)).json();
  assert.equal(
    replies.map(({ code }) => code),
    urls.map(() => 400),
  );
  const large = { method: "GET", relative_url: `/file${agent.folder}/large?op=GET` };
  assert.is((await send([large])).json()[0].code, 400);
  const nested = { method: "POST", relative_url: "/%61pi/stop" };
  assert.is((await send([nested])).json()[0].code, 400);
});

test("stops when told to", async () => {
  await using agent = await testAgent();
  const closed = new Promise<void>((resolve) => agent.app.server.once("close", resolve));
  await agent.app.listen({ host: "127.0.0.1", port: 0 });
  const reply = await agent.app.inject({ method: "POST", url: "/api/stop", headers: asAdmin });
  assert.is(reply.body, '""');
  await closed;
});

test.run();
