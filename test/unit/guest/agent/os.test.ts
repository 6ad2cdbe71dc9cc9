import { release } from "node:os";
import * as assert from "uvu/assert";
import { formatDate } from "../../../../guest/agent/os.ts";
import { suite } from "../../../support/suite.ts";
import { asAdmin, asMonitor, testAgent } from "./fixture.ts";

const test = suite("guest/agent/os");

test("answers OSv's questions with JSON scalars", async () => {
  await using agent = await testAgent();
  const get = async (url: string): Promise<unknown> => {
    const reply = await agent.app.inject({ url, headers: asMonitor });
    assert.is(reply.statusCode, 200, url);
    assert.is(reply.headers["content-type"], "application/json; charset=utf-8");
    return reply.json();
  };
  assert.is(await get("/os/name"), "Linux");
  assert.is(await get("/os/name/"), "Linux");
  assert.is(await get("/os/version"), release());
  assert.is(await get("/os/vendor"), "Windlass");
  assert.is(await get("/os/uptime"), 12);
  assert.is(await get("/os/memory/total"), 250_000 * 1024);
  assert.is(await get("/os/memory/free"), 150_000 * 1024);
  assert.is(await get("/os/memory/balloon"), 0);
  assert.is(await get("/os/hostname"), "box");
  assert.is(await get("/os/cmdline"), "console=hvc0 root=/dev/vda quiet");
  assert.match(String(await get("/os/dmesg")), "hello");
});

test("writes the date as OSv does", () => {
  assert.is(formatDate(new Date("2026-03-04T05:06:07Z")), "Wed Mar 04 05:06:07 UTC 2026");
});

test("lists threads, whatever their name", async () => {
  await using agent = await testAgent();
  const reply = await agent.app.inject({ url: "/os/threads", headers: asMonitor });
  assert.equal(
    reply.json().list.find((thread: { id: number }) => thread.id === 42),
    {
      id: 42,
      status: "waiting",
      cpu: 1,
      cpu_ms: 2000,
      switches: 42,
      migrations: 0,
      preemptions: 12,
      name: "node (a) b",
      priority: 20,
      stack_size: 132 * 1024,
    },
  );
});

test("powers off and reboots after the reply", async () => {
  await using agent = await testAgent();
  for (const what of ["poweroff", "shutdown", "reboot"]) {
    const reply = await agent.app.inject({ method: "POST", url: `/os/${what}`, headers: asAdmin });
    assert.is(reply.body, '""');
  }
  assert.equal(agent.happened.power, ["poweroff", "poweroff", "reboot"]);
});

test("sets the host name, from the query or from a form", async () => {
  await using agent = await testAgent();
  const set = (init: object) =>
    agent.app.inject({ method: "POST", url: "/os/hostname", headers: asAdmin, ...init });
  assert.is((await set({ query: { name: "one" } })).body, '""');
  assert.is(agent.happened.hostname, "one");
  await set({
    headers: { ...asAdmin, "content-type": "application/x-www-form-urlencoded" },
    payload: "name=two",
  });
  assert.is(agent.happened.hostname, "two");
  const empty = await set({ query: { name: "" } });
  assert.is(empty.statusCode, 400);
  assert.equal(empty.json(), { message: "Missing mandatory parameter 'name'", code: 400 });
  assert.is((await set({ query: { name: "a b" } })).statusCode, 400);
});

test("refuses to change the kernel command line", async () => {
  await using agent = await testAgent();
  const reply = await agent.app.inject({
    method: "POST",
    url: "/os/cmdline?cmdline=x",
    headers: asAdmin,
  });
  assert.is(reply.statusCode, 501);
  assert.is(reply.json().code, 501);
});

test.run();
