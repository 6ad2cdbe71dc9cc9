/** The stop ladder against an agent and a QEMU that are stand-ins. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as assert from "uvu/assert";
import { HostError } from "../../../../host-tools/errors.ts";
import type { GuestClient } from "../../../../host-tools/guest-client/guest-client.ts";
import {
  type StopRequest,
  type StopStep,
  stopMachine,
} from "../../../../host-tools/instance/stop.ts";
import {
  identifyProcess,
  type ProcessIdentity,
} from "../../../../host-tools/qemu/process-identity.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("stop");

interface StandIn extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly request: Omit<StopRequest, "client">;
}

/** A process in QEMU's place, without a monitor. */
async function standIn(): Promise<StandIn> {
  const child = spawn("/bin/sleep", ["1000"], { stdio: "ignore" });
  const exited = once(child, "exit");
  await once(child, "spawn");
  const process = (await identifyProcess(child.pid ?? 0)) as ProcessIdentity;
  const request = { process, qmpSocketPath: "/nonexistent/qmp", machineEnded: exited };
  return {
    child,
    request,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

type Answer = (options: {
  signal?: AbortSignal | undefined;
  timeoutMs?: number | undefined;
}) => Promise<unknown>;

/** An agent that answers an operation as told, and refuses all others. */
function agent(answers: Readonly<Record<string, Answer>>) {
  const called: { operation: string; input: unknown }[] = [];
  const call = (operation: string, input: unknown, options: Parameters<Answer>[0] = {}) => {
    called.push({ operation, input });
    const answer = answers[operation];
    if (answer) return answer(options);
    return Promise.reject(new HostError("WL_GUEST_UNREACHABLE", "Cannot reach the agent: refused"));
  };
  return { called, client: { call } as unknown as GuestClient };
}

const done: Answer = async () => ({});
/** Does not answer until it is given up. */
const silent: Answer = ({ signal }) =>
  new Promise((_resolve, reject) => {
    if (signal?.aborted) reject(signal.reason);
    signal?.addEventListener("abort", () => reject(signal.reason));
  });

const summary = (steps: readonly StopStep[]): unknown =>
  steps.map(({ step, ended }) => [step, ended]);

test("the program is asked first, then the machine; QEMU ends by itself", async () => {
  await using machine = await standIn();
  const { called, client } = agent({
    programStop: done,
    osPoweroff: async () => {
      machine.child.kill();
    },
  });
  const seen: StopStep[] = [];
  const onStep = (step: StopStep): void => void seen.push(step);
  const steps = await stopMachine({ ...machine.request, client, timeoutMs: 1234, onStep });
  assert.equal(summary(steps), [
    ["program", false],
    ["poweroff", true],
  ]);
  assert.equal(seen, steps);
  assert.equal(called, [
    { operation: "programStop", input: { body: { timeoutMs: 1234 } } },
    { operation: "osPoweroff", input: {} },
  ]);
});

test("a machine with a disk of its own gets the time to write it", async () => {
  for (const [hasDisk, expectedMs] of [
    [undefined, 5_000],
    [true, 60_000],
  ] as const) {
    await using machine = await standIn();
    let limitMs: number | undefined;
    const { client } = agent({
      programStop: done,
      osPoweroff: async ({ timeoutMs }) => {
        limitMs = timeoutMs;
        machine.child.kill();
      },
    });
    await stopMachine({ ...machine.request, client, hasDisk });
    assert.is(limitMs, expectedMs);
  }
});

test("a machine that ends with its program needs no more", async () => {
  await using machine = await standIn();
  const { called, client } = agent({
    programStop: ({ signal }) => {
      machine.child.kill();
      return silent({ signal });
    },
  });
  const steps = await stopMachine({ ...machine.request, client });
  assert.equal(summary(steps), [["program", true]]);
  assert.is(called.length, 1);
});

test("without an agent QEMU is ended, and every step says why it did not help", async () => {
  await using machine = await standIn();
  const { client } = agent({});
  const steps = await stopMachine({ ...machine.request, client });
  assert.equal(summary(steps), [
    ["program", false],
    ["poweroff", false],
    ["quit", false],
    ["SIGTERM", true],
  ]);
  for (const { problem, ended, durationMs } of steps) {
    assert.is(problem === undefined, ended);
    assert.ok(durationMs >= 0);
  }
  assert.match(steps[0]?.problem ?? "", /Cannot reach the agent/);
});

test("a machine that had ended before is no trouble", async () => {
  await using machine = await standIn();
  machine.child.kill();
  await machine.request.machineEnded;
  const steps = await stopMachine({
    ...machine.request,
    client: agent({ programStop: silent }).client,
  });
  assert.equal(summary(steps), [["program", true]]);
});

test("an abort ends the wait with its reason and leaves the machine alone", async () => {
  await using machine = await standIn();
  const stop = new AbortController();
  const { client } = agent({ programStop: silent });
  const stopping = stopMachine({ ...machine.request, client, signal: stop.signal });
  const reason = new Error("interrupted");
  stop.abort(reason);
  assert.is(await stopping.catch((error) => error), reason);
  assert.is(machine.child.exitCode ?? machine.child.signalCode, null);
});

test.run();
