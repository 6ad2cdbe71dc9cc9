import * as assert from "uvu/assert";
import { createAgent } from "../../../../guest/agent/agent.ts";
import type { InstanceChange } from "../../../../guest/api/instance.ts";
import type { WakeDocument } from "../../../../guest/api/template.ts";
import { suite } from "../../../support/suite.ts";
import { asAdmin, asMonitor, testAgent } from "./fixture.ts";

const test = suite("guest/agent/instance");

const change: InstanceChange = {
  instance: {
    version: 1,
    id: "ba9876543210",
    name: "web.2",
    hostname: "web-2",
    tokens: [],
    network: { mode: "none" },
    program: {
      argv: ["/bin/true"],
      env: {},
      workdir: "/",
      user: "0",
      ports: [],
      restart: { policy: "no", maxRetries: 0 },
      onExit: "poweroff",
      stopSignal: "SIGTERM",
      isNode: false,
    },
  },
  parent: null,
  macAddress: "52:57:ba:98:76:54",
};
const request = { method: "PUT", url: "/v1/instance", headers: asAdmin, payload: change } as const;

test("a restored machine becomes the instance that it is told to be", async () => {
  await using agent = await testAgent();
  const woken: WakeDocument[] = [];
  const wake = {
    program: agent.options.program,
    system: { openWakePort: () => -1, journalFd: -1, setClock() {}, makeFifo() {} },
    identity: () => ({ kind: "resume" as const, parent: null, instance: change.instance }),
    onWake: (document: WakeDocument) => void woken.push(document),
    onFailure: () => assert.unreachable(),
  };
  const app = await createAgent({ ...agent.options, wake });
  assert.is((await app.inject({ ...request, headers: asMonitor })).statusCode, 403);
  const wrong = { ...change, macAddress: "53:57:ba:98:76:54" };
  assert.is((await app.inject({ ...request, payload: wrong })).statusCode, 400);
  assert.equal(woken, []);

  const reply = await app.inject(request);
  assert.is(reply.statusCode, 200, reply.body);
  const { instance, parent } = change;
  assert.equal(woken, [{ kind: "resume", parent, instance }]);
  assert.is(agent.happened.hostname, "web-2");
  assert.is(agent.happened.macAddress, "52:57:ba:98:76:54");
  await app.close();
});

test("a machine without saved states stays who it is", async () => {
  await using agent = await testAgent();
  const reply = await agent.app.inject(request);
  assert.is(reply.statusCode, 501);
  assert.is(agent.happened.hostname, "box");
});

test("the clock is moved by what has passed, and only by a number", async () => {
  await using agent = await testAgent();
  const advance = async (milliseconds: unknown, headers = asAdmin): Promise<number> => {
    const url = "/v1/clock/advance";
    const payload = { milliseconds };
    return (await agent.app.inject({ method: "POST", url, headers, payload })).statusCode;
  };
  assert.is(await advance(1500.5), 200);
  assert.is(await advance(-500), 200);
  assert.is(await advance("1000"), 400);
  assert.is(await advance(1e18), 400);
  assert.is(await advance(1000, asMonitor), 403);
  assert.is(agent.happened.advancedMs, 1000.5);
});

test("a clock that the kernel does not let be set is an error in words", async () => {
  await using agent = await testAgent({
    advanceClock() {
      throw new Error("EPERM");
    },
  });
  const reply = await agent.app.inject({
    method: "POST",
    url: "/v1/clock/advance",
    headers: asAdmin,
    payload: { milliseconds: 1 },
  });
  assert.is(reply.statusCode, 501);
  assert.match(reply.json().message, /^The clock cannot be set: EPERM$/);
});

test.run();
