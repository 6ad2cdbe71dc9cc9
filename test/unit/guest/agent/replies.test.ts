import { Check, Errors } from "typebox/value";
import * as assert from "uvu/assert";
import type { OperationSchemas } from "../../../../guest/api/operation-schemas.ts";
import { type OperationId, type Route, routes } from "../../../../guest/api/routes.ts";
import { schemas } from "../../../../guest/api/schemas.ts";
import { suite } from "../../../support/suite.ts";
import { asAdmin, type TestAgent, testAgent } from "./fixture.ts";

const test = suite("guest/agent replies");

const get = async (agent: TestAgent, url: string) => {
  const reply = await agent.app.inject({ url, headers: asAdmin });
  assert.is(reply.statusCode, 200, `${url}: ${reply.body}`);
  return reply.json();
};

test("are what the contract says", async () => {
  await using agent = await testAgent();
  const filled: Partial<Record<OperationId, string>> = {
    envGet: "/env/SECRET",
    fsDfMount: `/fs/df${agent.folder}`,
    networkInterface: "/network/ifconfig/eth0",
    appFinished: "/app/finished?tid=1",
  };
  let checked = 0;
  for (const [id, route] of Object.entries(routes) as [OperationId, Route][]) {
    if (route.method !== "GET" || route.produces !== "json") continue;
    const value = await get(agent, filled[id] ?? route.path);
    const { reply } = schemas[id] as OperationSchemas;
    assert.ok(
      reply && Check(reply, value),
      `${id}: ${JSON.stringify(reply && Errors(reply, value)[0])}`,
    );
    checked += 1;
  }
  assert.ok(checked > 25);
});

test("describe interfaces and routes in OSv's shapes", async () => {
  await using agent = await testAgent();
  const one = await get(agent, "/network/ifconfig/eth0");
  assert.is(one.config.flags, "UP BROADCAST MULTICAST");
  assert.is(one.config.mtu, "1500");
  assert.is(one.config.phys_addr, "52:54:00:12:34:56");
  assert.is(one.data.ifi_ibytes, 5000);
  assert.is(one.data.ifi_collisions, 5);
  assert.is(one.time, 12_340_000);
  const unknown = await agent.app.inject({ url: "/network/ifconfig/eth9", headers: asAdmin });
  assert.is(unknown.statusCode, 404);
  assert.equal(unknown.json(), { message: "Interface eth9 not found", code: 404 });
  assert.equal(await get(agent, "/network/route/"), [
    { destination: "default", gateway: "10.0.2.2", flags: "UG", netif: "eth0", ipv6: false },
    { destination: "10.0.2.0/24", gateway: "link#eth0", flags: "U", netif: "eth0", ipv6: false },
    { destination: "fe80::/64", gateway: "link#eth0", flags: "U", netif: "eth0", ipv6: true },
  ]);
});

test("count file systems and hardware", async () => {
  await using agent = await testAgent();
  const all = await get(agent, "/fs/df/");
  assert.equal(
    all.map((one: { mount: string }) => one.mount),
    [agent.folder],
  );
  const one = await get(agent, `/fs/df/${encodeURIComponent(agent.folder)}`);
  // Others write to this disk meanwhile.
  const lasting = ({ bfree: _blocks, ffree: _files, ...rest }: Record<string, unknown>) => rest;
  assert.equal(one.map(lasting), all.map(lasting));
  assert.equal(Object.keys(one[0]), Object.keys(all[0]));
  const none = await agent.app.inject({ url: "/fs/df/nowhere", headers: asAdmin });
  assert.equal(none.json(), { message: "mount does not exist", code: 404 });
  assert.is(await get(agent, "/hardware/processor/count"), 2);
  assert.is(await get(agent, "/hardware/processor/flags"), "fpu vme hypervisor");
  assert.is(await get(agent, "/hardware/firmware/vendor"), "SeaBIOS");
  assert.is(await get(agent, "/hardware/hypervisor"), "KVM");
});

test("change the environment of programs to come", async () => {
  await using agent = await testAgent();
  const send = (method: "GET" | "POST" | "DELETE", url: string) =>
    agent.app.inject({ method, url, headers: asAdmin });
  assert.is((await send("POST", "/env/NEW?val=a+b%3D1")).body, '""');
  assert.is(agent.options.environment["NEW"], "a b=1");
  assert.ok((await send("GET", "/env")).json().includes("NEW=a b=1"));
  assert.is((await send("GET", "/env/NEW")).json(), "a b=1");
  assert.is((await send("DELETE", "/env/NEW")).body, '""');
  const gone = await send("GET", "/env/NEW");
  assert.equal(gone.json(), { message: "No environment variable NEW", code: 400 });
  assert.is((await send("GET", "/env/toString")).statusCode, 400);
  assert.is((await send("POST", "/env/__proto__?val=x")).statusCode, 200);
  assert.is((await send("GET", "/env/__proto__")).json(), "x");
  assert.is((await send("POST", "/env/A%3DB?val=x")).statusCode, 400);
});

test("count processes, not kernel threads, and whole disks", async () => {
  await using agent = await testAgent();
  const stats = await get(agent, "/v1/stats");
  assert.is(stats.pids, 1);
  assert.equal(stats.block, { readBytes: 51_200, writtenBytes: 102_400 });
  assert.equal(stats.network, { rxBytes: 5000, rxPackets: 50, txBytes: 6000, txPackets: 60 });
  assert.equal(stats.program, { cpuNs: 2_000_000_000, memoryBytes: 1024 * 1024 });
  assert.is(stats.cpu.busyNs, 156 * 10_000_000);
  assert.is(stats.memory.usedBytes, 100_000 * 1024);
  agent.status({ state: "exited", pid: null });
  assert.is((await get(agent, "/v1/stats")).program, null);
});

test("speak Prometheus", async () => {
  await using agent = await testAgent();
  const reply = await agent.app.inject({ url: "/v1/metrics", headers: asAdmin });
  assert.match(String(reply.headers["content-type"]), "version=0.0.4");
  const lines = reply.body.trimEnd().split("\n");
  const sample = /^windlass_[a-z0-9_]+(\{[a-z]+="[^"\\\n]*"\})? -?[0-9.e+-]+$/;
  const comment = /^# (HELP|TYPE) windlass_[a-z0-9_]+ .+$/;
  for (const line of lines) assert.ok(sample.test(line) || comment.test(line), line);
  assert.ok(lines.includes('windlass_program_state{state="running"} 1'));
  assert.ok(lines.includes('windlass_network_receive_bytes_total{interface="eth0"} 5000'));
  assert.ok(lines.includes("windlass_program_ready 1"));
});

test("say whether the program is ready", async () => {
  await using agent = await testAgent();
  assert.equal(await get(agent, "/v1/health"), {
    status: "ok",
    uptimeMs: 12_340,
    ready: true,
    program: { state: "running", health: "none", restarts: 0 },
  });
  agent.status({ ready: false, health: "unhealthy" });
  assert.is((await get(agent, "/v1/health")).ready, false);
});

test("keep Fastify's shape under /v1 and name the member that is wrong", async () => {
  await using agent = await testAgent();
  const reply = await agent.app.inject({ url: "/v1/logs?tail=many", headers: asAdmin });
  assert.is(reply.statusCode, 400);
  assert.is(reply.json().statusCode, 400);
  assert.is(reply.json().error, "Bad Request");
  assert.match(reply.json().message, "query/tail must be integer");
  const unknown = await agent.app.inject({ url: "/v1/logs?tial=1", headers: asAdmin });
  assert.match(unknown.json().message, '"tial"');
  const post = (payload: string, type = "application/json") =>
    agent.app.inject({
      method: "POST",
      url: "/v1/program/signal",
      headers: { ...asAdmin, "content-type": type },
      payload,
    });
  assert.is((await post('{"signal":"SIGTERM","more":1}')).statusCode, 400);
  assert.is((await post("{")).statusCode, 400);
  assert.is((await post('{"__proto__":{}}')).statusCode, 400);
  assert.is((await post("SIGTERM", "text/plain")).statusCode, 415);
  assert.is((await post(`{"signal":"${"x".repeat(1_100_000)}"}`)).statusCode, 413);
});

test("pass the program's supervisor on", async () => {
  await using agent = await testAgent();
  const post = (url: string, payload?: object | Buffer, type = "application/json") =>
    agent.app.inject({
      method: "POST",
      url: `/v1/program/${url}`,
      headers: payload ? { ...asAdmin, "content-type": type } : asAdmin,
      ...(payload && { payload }),
    });
  assert.is((await post("restart")).json().state, "running");
  assert.is(agent.happened.restarts, 1);
  assert.is((await post("signal", { signal: "SIGHUP" })).statusCode, 200);
  assert.is((await post("signal", { signal: "SIGNONE" })).statusCode, 400);
  await post("stdin", Buffer.from("line\n"), "application/octet-stream");
  await post("stdin?end=true");
  assert.equal(agent.happened.stdin, ["line\n", "<end>"]);
  agent.status({ state: "exited", pid: null });
  assert.is((await post("signal", { signal: "SIGHUP" })).json().code, "WL_AGENT_CONFLICT");
  assert.is((await post("stdin", Buffer.from("x"), "application/octet-stream")).statusCode, 409);
  assert.equal(agent.happened.signals, ["SIGHUP"]);
});

test.run();
