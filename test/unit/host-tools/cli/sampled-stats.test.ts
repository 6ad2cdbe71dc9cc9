import * as assert from "uvu/assert";
import { processUse, type Sample, statsBetween } from "../../../../host-tools/cli/sampled-stats.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("cli/sampled-stats");

const sample = (atMs: number, busyMs: number, hostCpuMs: number): Sample => ({
  atMs,
  hostCpuMs,
  hostMemoryBytes: 1000,
  guest: {
    timeMs: 1_000_000 + atMs,
    cpu: { count: 2, busyNs: busyMs * 1e6, idleNs: 0, stealNs: 0, load: [0, 0, 0] },
    memory: { totalBytes: 200, availableBytes: 150, usedBytes: 50 },
    network: { rxBytes: 1, rxPackets: 1, txBytes: 2, txPackets: 1 },
    block: { readBytes: 3, writtenBytes: 4 },
    pids: 5,
    program: null,
  },
});
const instance = { id: "0123456789ab", name: "web" };

test("rates are differences over time", () => {
  const view = statsBetween(instance, sample(0, 100, 0), sample(1000, 600, 250));
  assert.is(view.cpu, 0.5);
  assert.is(view.hostCpu, 0.25);
  assert.is(view.memoryUsedBytes, 50);
});

test("a rate is never beyond what there is, even when a clock jumps", () => {
  assert.is(statsBetween(instance, sample(0, 0, 0), sample(1, 5000, 0)).cpu, 2);
  assert.is(statsBetween(instance, sample(10, 0, 0), sample(10, 0, 0)).cpu, 0);
  assert.is(statsBetween(instance, sample(10, 9, 9), sample(5, 0, 0)).cpu, 0);
});

test("reads what /proc says of a process, whatever its name", () => {
  const rest = Array.from({ length: 40 }, (_, index) => String(index + 3)).join(" ");
  const use = processUse(`42 (qemu) 9 ) R) ${rest}`, "1000 25 3 0 0 0 0");
  assert.is(use.hostCpuMs, (14 + 15) * 10);
  assert.is(use.hostMemoryBytes, 25 * 4096);
});

test.run();
