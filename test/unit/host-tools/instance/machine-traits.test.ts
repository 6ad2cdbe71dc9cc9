import * as assert from "uvu/assert";
import { machineTraits, traitDifference } from "../../../../host-tools/instance/machine-traits.ts";
import { type BootMachine, machineIn } from "../../../support/machine.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("machine traits");

const disk = { id: "base", path: "/base", format: "raw", readOnly: true } as const;
const network = {
  kind: "user",
  macAddress: "52:57:00:00:00:01",
  forwards: [],
} satisfies BootMachine["network"];
const full: Partial<BootMachine> = {
  disks: [disk],
  network,
  ports: [{ name: "journal", logPath: "/journal" }],
};
const context = { qemuVersion: "7.2.22", kernel: "6.1.0", scratch: undefined };

function traits(
  changes: Partial<BootMachine> = {},
  around: Partial<Parameters<typeof machineTraits>[1]> = {},
  folder = "/run/m",
): ReturnType<typeof machineTraits> {
  return machineTraits(machineIn(folder, { ...full, ...changes }), { ...context, ...around });
}

/** How a machine differs from the one above; undefined when a state would fit. */
function difference(...machine: Parameters<typeof traits>): string | undefined {
  return traitDifference(traits(), traits(...machine));
}

test("each single difference is named", () => {
  const scratch = { sizeMib: 100, path: "/data" };
  const machines: Record<string, Parameters<typeof traits>> = {
    QEMU: [{}, { qemuVersion: "8.0.0" }],
    accelerator: [{ accelerator: "kvm" }],
    kernel: [{}, { kernel: "6.2.0" }],
    vCPUs: [{ vcpuCount: 2 }],
    memory: [{ memoryMib: 33 }],
    "scratch disk": [{}, { scratch }],
  };
  for (const [name, machine] of Object.entries(machines)) {
    const words = difference(...machine) ?? "no difference";
    assert.ok(words.startsWith(`its ${name} is "`), `${name}: ${words}`);
    assert.ok(words.includes(", not "), words);
  }
  assert.is(difference({ memoryMib: 33 }), 'its memory is "32 MiB", not "33 MiB"');
});

test("a scratch disk of another size or place is another one", () => {
  const mine = (sizeMib: number, path: string) => traits({}, { scratch: { sizeMib, path } });
  const theirs = mine(100, "/data");
  assert.is(traitDifference(theirs, mine(100, "/data")), undefined);
  assert.match(traitDifference(theirs, mine(101, "/data")) ?? "", "scratch disk");
  assert.match(traitDifference(theirs, mine(100, "/var")) ?? "", "scratch disk");
});

test("other devices, or in another order, are named as such", () => {
  const words = "it has other devices";
  assert.is(difference({ disks: [] }), words);
  assert.is(difference({ network: { kind: "none" } }), words);
  assert.is(difference({ ports: [{ name: "other", logPath: "/journal" }] }), words);
  assert.is(difference({ disks: [disk, { ...disk, id: "data" }] }), words);
  const [one, two] = [disk, { ...disk, id: "data", readOnly: false }];
  assert.is(traitDifference(traits({ disks: [one, two] }), traits({ disks: [two, one] })), words);
});

test("a difference of what was saved by an older version is one", () => {
  const { "CPU model": _model, ...older } = traits();
  const words = traitDifference(older as ReturnType<typeof traits>, traits());
  assert.match(words ?? "", "its CPU model is undefined");
});

test("names, identity, paths, ports and the way to start do not count", () => {
  const forward = {
    protocol: "tcp",
    hostAddress: "127.0.0.1",
    hostPort: 8080,
    guestPort: 80,
  } as const;
  const same: Record<string, Parameters<typeof traits>> = {
    name: [{ name: "other", uuid: "00000000-0000-8000-8000-000000000000" }],
    folder: [{}, {}, "/elsewhere"],
    "MAC address": [{ network: { ...network, macAddress: "52:57:00:00:00:02" } }],
    "published ports": [{ network: { ...network, forwards: [forward] } }],
    "a file's place": [{ disks: [{ ...disk, path: "/other" }] }],
    "memory in a file": [{ memoryFile: { path: "/memory", access: "private" } }],
    loaded: [{ incoming: true }],
    "kernel's place": [{ kernel: { path: "/other", commandLine: "quiet" } }],
  };
  for (const [name, machine] of Object.entries(same)) {
    assert.is(difference(...machine), undefined, name);
  }
});

test.run();
