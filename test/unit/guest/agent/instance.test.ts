import * as assert from "uvu/assert";
import { createAgent } from "../../../../guest/agent/agent.ts";
import type { ProgramControl } from "../../../../guest/agent/guest-system.ts";
import type { TemplateGateOptions } from "../../../../guest/agent/template-gate.ts";
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
  entropy: "5a".repeat(32),
};
const request = { method: "PUT", url: "/v1/instance", headers: asAdmin, payload: change } as const;

function wakeOptions(program: ProgramControl): TemplateGateOptions {
  return {
    program,
    system: {
      openWakePort: () => -1,
      journalFd: -1,
      eventFd: () => undefined,
      ignoreStoppedChildren() {},
      makeFifo() {},
    },
    identity: () => ({ kind: "resume", parent: null, instance: change.instance }),
    isNeeded: () => false,
    onWake: () => assert.unreachable(),
    onSet: () => assert.unreachable(),
    onFailure: () => assert.unreachable(),
  };
}

test("a restored machine becomes the instance that it is told to be", async () => {
  await using agent = await testAgent();
  const woken: (WakeDocument | "said")[] = [];
  const wake = {
    ...wakeOptions(agent.options.program),
    onWake: (document: WakeDocument) => void woken.push(document),
    onSet: () => void woken.push("said"),
  };
  const app = await createAgent({ ...agent.options, wake });
  assert.is((await app.inject({ ...request, headers: asMonitor })).statusCode, 403);
  const wrong = { ...change, macAddress: "53:57:ba:98:76:54" };
  assert.is((await app.inject({ ...request, payload: wrong })).statusCode, 400);
  assert.equal(woken, []);

  const reply = await app.inject(request);
  assert.is(reply.statusCode, 200, reply.body);
  const { instance, parent } = change;
  assert.equal(woken, [{ kind: "resume", parent, instance }, "said"]);
  assert.is(agent.happened.hostname, "web-2");
  assert.is(agent.happened.macAddress, "52:57:ba:98:76:54");
  assert.is(agent.happened.entropy, change.entropy);
  await app.close();
});

test("requests wait while the machine may be another one", async () => {
  await using agent = await testAgent();
  let wakeUp = (): void => undefined;
  const waking = new Promise<void>((resolve) => {
    wakeUp = resolve;
  });
  const wake: TemplateGateOptions = {
    ...wakeOptions(agent.options.program),
    waking,
  };
  const options = { ...agent.options, wake, tokens: [] as typeof agent.options.tokens };
  const app = await createAgent(options);
  const reply = app.inject({ url: "/v1/instance", headers: asAdmin });
  // The token is one of the machine that it becomes.
  options.tokens = agent.options.tokens;
  options.instance = { id: "ba9876543210", name: "web.2" };
  wake.waking = undefined;
  wakeUp();
  assert.is((await reply).json().name, "web.2");
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
