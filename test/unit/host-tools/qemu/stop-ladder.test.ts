import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as assert from "uvu/assert";
import {
  identifyProcess,
  isAlive,
  type ProcessIdentity,
} from "../../../../host-tools/qemu/process-identity.ts";
import { type StopStep, stopQemu } from "../../../../host-tools/qemu/stop-ladder.ts";
import { connectQmp } from "../../../../host-tools/qmp/connection.ts";
import { startQmpServer } from "../../../support/qmp-server.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("stop ladder");

const short = { quitTimeoutMs: 50, terminateTimeoutMs: 50 };

/** A process that stands for QEMU; `stubborn` ones ignore SIGTERM. */
async function standIn(
  options: { stubborn?: boolean } = {},
): Promise<AsyncDisposable & { child: ChildProcess; identity: ProcessIdentity }> {
  const program = `${options.stubborn ? "process.on('SIGTERM', () => {});" : ""}
    process.stdin.resume(); process.stdout.write("up");`;
  const stdio = ["pipe", "pipe", "ignore"] as const;
  const child = spawn(process.execPath, ["-e", program], { stdio: [...stdio] });
  if (child.stdout) await once(child.stdout, "data");
  const identity = await identifyProcess(child.pid ?? 0);
  assert.ok(identity);
  return {
    child,
    identity: identity as ProcessIdentity,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
    },
  };
}

test("asks the monitor first, and goes no further when that helps", async ({ signal }) => {
  await using qemu = await standIn();
  await using server = await startQmpServer({
    answer: ({ execute, id }, peer) => {
      if (execute === "quit") qemu.child.stdin?.end();
      peer.send({ return: {}, id });
    },
  });
  const report = await stopQemu(
    { process: qemu.identity, qmpSocketPath: server.path },
    { signal, quitTimeoutMs: 10_000 },
  );
  assert.is(report.endedBy, "quit");
  assert.is(report.steps.length, 1);
  assert.not(await isAlive(qemu.identity));
});

test("uses the connection it is given, even when QEMU hangs up before it replies", async ({
  signal,
}) => {
  await using qemu = await standIn();
  await using server = await startQmpServer({
    answer: (_command, peer) => {
      peer.hangUp();
      qemu.child.stdin?.end();
    },
  });
  await using qmp = await connectQmp({ path: server.path, signal });
  const target = { process: qemu.identity, qmp, qmpSocketPath: "/nowhere" };
  const report = await stopQemu(target, { signal, quitTimeoutMs: 10_000 });
  assert.is(report.endedBy, "quit");
});

test("goes on to SIGTERM when the monitor is silent", async ({ signal }) => {
  await using qemu = await standIn();
  await using server = await startQmpServer({ greeting: "" });
  const steps: StopStep[] = [];
  const report = await stopQemu(
    { process: qemu.identity, qmpSocketPath: server.path },
    { ...short, terminateTimeoutMs: 10_000, signal, onStep: (step) => steps.push(step) },
  );
  assert.is(report.endedBy, "SIGTERM");
  assert.equal(
    steps.map(({ rung, ended }) => [rung, ended]),
    [
      ["quit", false],
      ["SIGTERM", true],
    ],
  );
  assert.ok(steps[0]?.problem);
});

test("does not wait for a monitor that is not there", async ({ signal }) => {
  await using qemu = await standIn();
  const report = await stopQemu(
    { process: qemu.identity, qmpSocketPath: "/nowhere/qmp.sock" },
    { signal, terminateTimeoutMs: 10_000 },
  );
  assert.is(report.endedBy, "SIGTERM");
  assert.match(report.steps[0]?.problem ?? "", "/nowhere/qmp.sock");
});

test("kills what ignores SIGTERM", async ({ signal }) => {
  await using qemu = await standIn({ stubborn: true });
  const report = await stopQemu({ process: qemu.identity }, { ...short, signal });
  assert.is(report.endedBy, "SIGKILL");
  assert.equal(
    report.steps.map(({ problem }) => problem),
    ["no monitor to ask", "still running after 50 ms", undefined],
  );
});

test("has nothing to do for a process that has ended", async ({ signal }) => {
  await using qemu = await standIn();
  const another = { ...qemu.identity, startTicks: qemu.identity.startTicks - 1 };
  assert.equal(await stopQemu({ process: another }, { signal }), { endedBy: undefined, steps: [] });
  assert.ok(await isAlive(qemu.identity));
});

test("stops waiting when the signal is aborted", async () => {
  await using qemu = await standIn({ stubborn: true });
  const reason = new Error("enough");
  const controller = new AbortController();
  const onStep = (): void => controller.abort(reason);
  const stopping = stopQemu({ process: qemu.identity }, { onStep, signal: controller.signal });
  assert.is(await stopping.catch((error) => error), reason);
  assert.ok(await isAlive(qemu.identity));
});

test.run();
