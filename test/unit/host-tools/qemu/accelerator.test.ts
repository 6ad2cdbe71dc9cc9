import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import * as assert from "uvu/assert";
import { HostError } from "../../../../host-tools/errors.ts";
import { chooseAccelerator } from "../../../../host-tools/qemu/accelerator.ts";
import {
  type AcceleratorFacts,
  judgeAccelerator,
  readAcceleratorFacts,
} from "../../../../host-tools/qemu/accelerator-facts.ts";
import type { ProbeResult } from "../../../../host-tools/qemu/accelerator-probe.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("accelerator");

const healthy: AcceleratorFacts = {
  device: true,
  deviceAccess: true,
  kvmPvm: false,
  hardwareModule: "kvm_amd",
  cpuFlag: "svm",
};
/** A host that is a PVM guest: the device opens, and every ordinary guest kernel hangs on it. */
const pvm: AcceleratorFacts = {
  ...healthy,
  kvmPvm: true,
  hardwareModule: undefined,
  cpuFlag: undefined,
};

const table: readonly (readonly [string, Partial<AcceleratorFacts>, "yes" | "probe" | "no"])[] = [
  ["hardware and its module", {}, "yes"],
  ["no device", { device: false, deviceAccess: false }, "no"],
  ["a device of somebody else", { deviceAccess: false }, "no"],
  ["PVM without hardware virtualisation", pvm, "no"],
  ["PVM beside hardware virtualisation", { kvmPvm: true }, "probe"],
  ["no CPU flag", { cpuFlag: undefined }, "probe"],
  ["no module", { hardwareModule: undefined }, "probe"],
];

for (const [what, changes, usable] of table) {
  test(`${what}: ${usable}`, () => {
    const verdict = judgeAccelerator({ ...healthy, ...changes });
    assert.is(verdict.usable, usable);
    assert.ok(verdict.reason.length > 0 && !verdict.reason.includes("\n"));
    assert.is(verdict.next === undefined, usable === "yes");
  });
}

test("reads the facts of a host from its files", async () => {
  await using folder = await temporaryFolder();
  const write = async (name: string, text = ""): Promise<void> => {
    await mkdir(dirname(folder.file(name)), { recursive: true });
    await writeFile(folder.file(name), text);
  };
  assert.equal(await readAcceleratorFacts(folder.path), {
    device: false,
    deviceAccess: false,
    kvmPvm: false,
    hardwareModule: undefined,
    cpuFlag: undefined,
  });
  await write("dev/kvm");
  await write("sys/module/kvm_pvm/refcnt");
  await write("proc/cpuinfo", "processor\t: 0\nvmx flags\t: vnmi\nflags\t\t: fpu tsc svmx\n\n");
  assert.equal(await readAcceleratorFacts(folder.path), pvm);
  await write("sys/module/kvm_intel/refcnt");
  await write("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu vmx tsc\n\nflags\t\t: svm\n");
  assert.equal(await readAcceleratorFacts(folder.path), {
    ...pvm,
    hardwareModule: "kvm_intel",
    cpuFlag: "vmx",
  });
});

const probeThat = (works: boolean): (() => Promise<ProbeResult>) => {
  return () => Promise.resolve({ works, reason: "did as told", durationMs: 1 });
};
const noProbe = (): Promise<ProbeResult> => {
  throw new Error("the probe must not run");
};

test("emulation is taken when asked for, without looking", async () => {
  const { accelerator } = await chooseAccelerator("tcg", { facts: healthy, probe: noProbe });
  assert.is(accelerator, "tcg");
});

test("auto never probes a KVM that the look rules out, and says why it emulates", async () => {
  const choice = await chooseAccelerator("auto", { facts: pvm, probe: noProbe });
  assert.is(choice.accelerator, "tcg");
  assert.match(choice.reason, "PVM");
  assert.not.match(choice.reason, "\n");
});

test("auto takes KVM when the probe guest boots, and only then", async () => {
  const choose = async (works: boolean): Promise<string> =>
    (await chooseAccelerator("auto", { facts: healthy, probe: probeThat(works) })).accelerator;
  assert.is(await choose(true), "kvm");
  assert.is(await choose(false), "tcg");
});

test("without a probe a healthy KVM is trusted and a doubtful one is not", async () => {
  const choose = async (facts: AcceleratorFacts): Promise<string> =>
    (await chooseAccelerator("auto", { facts })).accelerator;
  assert.is(await choose(healthy), "kvm");
  assert.is(await choose({ ...healthy, kvmPvm: true }), "tcg");
});

test("KVM that was asked for and cannot be used is an error, not a hang", async () => {
  for (const options of [
    { facts: pvm, probe: noProbe },
    { facts: healthy, probe: probeThat(false) },
  ]) {
    const error = await chooseAccelerator("kvm", options).catch((caught) => caught);
    assert.ok(error instanceof HostError && error.code === "WL_ACCELERATOR_UNAVAILABLE");
    assert.ok(error.facts.next);
  }
});

test.run();
