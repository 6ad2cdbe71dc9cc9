import { spawn } from "node:child_process";
import { once } from "node:events";
import fc from "fast-check";
import * as assert from "uvu/assert";
import {
  identifyProcess,
  isAlive,
  parseProcessStat,
  signalProcess,
  waitForExit,
} from "../../../../host-tools/qemu/process-identity.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("process identity");

test("reads a stat line whatever the process is called", () => {
  const name = fc.string({ unit: fc.constantFrom("a", " ", "(", ")", "\n", "S", "1") });
  const tail = `S 1 2 2 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 9 8 7`;
  fc.assert(
    fc.property(name, (comm) => {
      const parsed = parseProcessStat(`42 (${comm}) ${tail}\n`);
      assert.equal(parsed, { state: "S", startTicks: 987654 });
    }),
  );
});

test("refuses a text that is no stat line", () => {
  assert.throws(() => parseProcessStat("42 (cat) S 1 2"), /not the text of/);
  assert.throws(() => parseProcessStat(""), /not the text of/);
});

test("knows a process from another that got its number", async () => {
  const self = await identifyProcess(process.pid);
  assert.ok(self && (await isAlive(self)));
  assert.not(await isAlive({ ...self, startTicks: self.startTicks - 1 }));
  assert.not(await isAlive({ ...self, bootId: "another boot" }));
});

test("sends no signal to a process that only got the number", async () => {
  const self = await identifyProcess(process.pid);
  assert.ok(self);
  assert.not(await signalProcess({ ...self, startTicks: self.startTicks - 1 }, "SIGKILL"));
});

test("a number beyond the largest names nobody", async () => {
  assert.is(await identifyProcess(2 ** 30), undefined);
});

test("waits until a process has ended, and not longer", async ({ signal }) => {
  const child = spawn(process.execPath, ["-e", "process.stdin.resume()"], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  await once(child, "spawn");
  const identity = await identifyProcess(child.pid ?? 0);
  assert.ok(identity);
  const ended = waitForExit(identity, { signal });
  child.stdin?.end();
  await ended;
  assert.not(await isAlive(identity));
});

test("a process that nobody reaped has ended", async ({ signal }) => {
  // The inner shell ends at once; exec replaces the outer one by a program that never reaps it.
  const child = spawn("/bin/sh", ["-c", "true & echo $!; exec sleep 1000"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  try {
    const [line] = await once(child.stdout, "data", { signal });
    const pid = Number(String(line));
    const seen = await identifyProcess(pid);
    if (seen) await waitForExit(seen, { signal });
    assert.is(await identifyProcess(pid), undefined);
  } finally {
    child.kill("SIGKILL");
  }
});

test("waiting ends when the signal is aborted", async () => {
  const self = await identifyProcess(process.pid);
  assert.ok(self);
  const reason = new Error("enough");
  const controller = new AbortController();
  const waiting = waitForExit(self, { signal: controller.signal });
  controller.abort(reason);
  assert.is(await waiting.catch((error) => error), reason);
});

test.run();
