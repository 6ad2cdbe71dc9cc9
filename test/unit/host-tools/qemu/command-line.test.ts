import fc from "fast-check";
import * as assert from "uvu/assert";
import { HostError } from "../../../../host-tools/errors.ts";
import { hasChannel, qemuArguments } from "../../../../host-tools/qemu/command-line.ts";
import type { Machine } from "../../../../host-tools/qemu/machine.ts";
import { type BootMachine, machineIn } from "../../../support/machine.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("qemu command line");

/** What follows each occurrence of an option. */
function valuesOf(option: string, argv: readonly string[]): string[] {
  return argv.filter((_word, index) => argv[index - 1] === option);
}

/**
 * QEMU's own way to read an option string, written after util/keyval.c and util/qemu-option.c: members
 * end at a comma that is not doubled, a key ends at the first "=".
 */
function readOption(text: string): Record<string, string> {
  const members: Record<string, string> = {};
  let member = "";
  const finish = (): void => {
    const equals = member.indexOf("=");
    members[member.slice(0, equals)] = member.slice(equals + 1);
    member = "";
  };
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] !== ",") member += text[at];
    else if (text[at + 1] === ",") {
      member += ",";
      at += 1;
    } else finish();
  }
  finish();
  return members;
}

const full = machineIn("/run/m", {
  disks: [
    { id: "base", path: "/store/base.erofs", format: "raw", readOnly: true },
    { id: "data", path: "/store/data.qcow2", format: "qcow2", readOnly: false },
  ],
  network: {
    kind: "user",
    macAddress: "52:54:00:12:34:56",
    forwards: [
      { protocol: "tcp", hostAddress: "127.0.0.1", hostPort: 8080, guestPort: 80 },
      { protocol: "udp", hostAddress: "0.0.0.0", hostPort: 5353, guestPort: 53 },
    ],
  },
  ports: [
    { name: "org.windlass.journal", logPath: "/run/m/journal" },
    { name: "org.windlass.other", logPath: "/run/m/other" },
  ],
  firmwareConfig: [{ name: "opt/org.windlass/instance", path: "/run/m/instance.json" }],
});

test("a disk that can be written gives back what is discarded, and never stops the machine", () => {
  const argv = qemuArguments(full);
  const nodes = valuesOf("-blockdev", argv).map(readOption);
  assert.equal(
    nodes.map((node) => [node["node-name"], node["discard"], node["auto-read-only"]]),
    [
      ["base-file", undefined, "off"],
      ["base", undefined, "off"],
      ["data-file", "unmap", "off"],
      ["data", "unmap", "off"],
    ],
  );
  const devices = valuesOf("-device", argv).map(readOption);
  const werror = (id: string) => devices.find((device) => device["id"] === id)?.["werror"];
  assert.equal([werror("base-device"), werror("data-device")], [undefined, "report"]);
});

test("the smallest machine has no device that it does not name", () => {
  const argv = qemuArguments(machineIn("/run/m"));
  assert.ok(argv.includes("-nodefaults"));
  assert.ok(argv.includes("-no-user-config"));
  assert.equal(
    valuesOf("-device", argv).map((device) => readOption(device)["driver"]),
    ["virtio-rng-pci"],
  );
  assert.equal(valuesOf("-netdev", argv), []);
  assert.equal(valuesOf("-blockdev", argv), []);
});

test("a full machine has its devices in the order of the description", () => {
  const argv = qemuArguments(full);
  assert.equal(
    valuesOf("-device", argv).map((device) => readOption(device)["driver"]),
    [
      "virtio-blk-pci",
      "virtio-blk-pci",
      "virtio-net-pci",
      "virtio-serial-pci",
      "virtserialport",
      "virtserialport",
      "virtio-rng-pci",
    ],
  );
  assert.equal(valuesOf("-netdev", argv), [
    "type=user,id=net0,ipv6=off,hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=udp:0.0.0.0:5353-:53",
  ]);
});

test("a port is a file, a socket to listen on, or one that is inherited", () => {
  const ports = [
    { name: "a", logPath: "/log" },
    { name: "b", socketPath: "/sock" },
    { name: "c", channel: true },
  ] as const;
  const argv = qemuArguments(machineIn("/run/m", { ports }));
  assert.equal(valuesOf("-chardev", argv).slice(1, -1), [
    "backend=file,id=port1-log,path=/log,append=on",
    "backend=socket,id=port2-socket,path=/sock,server=on,wait=off",
    "backend=socket,id=port3-socket,fd=5,server=off",
  ]);
  assert.ok(hasChannel(machineIn("/run/m", { ports })));
  assert.not(hasChannel(full));
});

test("a read-only disk is read-only at every level", () => {
  const nodes = valuesOf("-blockdev", qemuArguments(full)).map(readOption);
  assert.equal(
    nodes.map((node) => [node["node-name"], node["driver"], node["read-only"]]),
    [
      ["base-file", "file", "on"],
      ["base", "raw", "on"],
      ["data-file", "file", "off"],
      ["data", "qcow2", "off"],
    ],
  );
});

test("KVM gets the host's CPU, emulation the largest one", () => {
  const cpu = (accelerator: Machine["accelerator"]): string[] =>
    valuesOf("-cpu", qemuArguments(machineIn("/run/m", { accelerator })));
  assert.equal(cpu("kvm"), ["host"]);
  assert.equal(cpu("tcg"), ["max,-smap,-smep,-la57,-pku"]);
});

test("emulated CPUs take turns in one thread", () => {
  const threads = (accelerator: Machine["accelerator"], vcpuCount: number): string[] =>
    valuesOf("-accel", qemuArguments(machineIn("/run/m", { accelerator, vcpuCount })));
  assert.equal(threads("tcg", 1), ["tcg"]);
  assert.equal(threads("tcg", 2), ["accel=tcg,thread=single"]);
  assert.equal(threads("kvm", 2), ["kvm"]);
});

test("the sandbox is on in full", () => {
  assert.equal(valuesOf("-sandbox", qemuArguments(full)), [
    "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
  ]);
});

test("an empty kernel command line is left out", () => {
  const kernel = { path: "/k", commandLine: "" };
  assert.not(qemuArguments(machineIn("/run/m", { kernel })).includes("-append"));
});

test("any path and name is quoted so that QEMU reads it back, or refused", () => {
  const nasty = fc.string({
    unit: fc.constantFrom(...",= :;/\\\"'%\n\r\t\0\u007fäé\ud83d\ude00\ud800".split(""), "a", ",,"),
    maxLength: 20,
  });
  fc.assert(
    fc.property(nasty, nasty, (name, word) => {
      const path = `/${word}`;
      const machine = machineIn("/run/m", {
        name,
        kernel: { path, initrdPath: path, commandLine: word },
        disks: [{ id: "base", path, format: "raw", readOnly: true }],
        consoleLogPath: path,
        ports: [{ name: "org.windlass.journal", logPath: path }],
        firmwareConfig: [{ name: "opt/org.windlass/instance", path }],
        qmpSocketPath: path,
        pidFilePath: path,
      });
      let argv: string[];
      try {
        argv = qemuArguments(machine);
      } catch (error) {
        assert.ok(error instanceof HostError && error.code === "WL_QEMU_FAILED", String(error));
        const control = /[\u0000-\u001f\u007f]/;
        // One by one: a half of a character in each would make a whole one together.
        const broken = [name, word].some((text) => Buffer.from(text).toString() !== text);
        assert.ok(name === "" || control.test(name + word) || broken, `refuses "${word}"`);
        return;
      }
      const members = (option: string, at = 0): Record<string, string> =>
        readOption(valuesOf(option, argv)[at] ?? "");
      assert.is(members("-name")["guest"], name);
      assert.is(members("-blockdev")["filename"], path);
      assert.is(members("-chardev", 0)["path"], path);
      assert.is(members("-chardev", 1)["path"], path);
      assert.is(members("-chardev", 2)["path"], path);
      assert.is(members("-fw_cfg")["file"], path);
      assert.equal(valuesOf("-kernel", argv), [path]);
      assert.equal(valuesOf("-initrd", argv), [path]);
      assert.equal(valuesOf("-append", argv), word === "" ? [] : [word]);
      assert.equal(valuesOf("-pidfile", argv), [path]);
      assert.equal(Object.keys(members("-chardev", 0)), ["backend", "id", "path", "append"]);
    }),
    { numRuns: 500 },
  );
});

const forward = { protocol: "tcp", hostAddress: "127.0.0.1", hostPort: 1, guestPort: 1 } as const;
const mac = "52:54:00:12:34:56";
const disk = { id: "a", path: "/a", format: "raw", readOnly: true } as const;
const refusedMachines: Record<string, Partial<BootMachine>> = {
  "a name with a newline": { name: "a\nb" },
  "an empty name": { name: "" },
  "a UUID that is none": { uuid: "1" },
  "no memory": { memoryMib: 0 },
  "half a mebibyte": { memoryMib: 0.5 },
  "memory that is no number": { memoryMib: Number.NaN },
  "no vCPU": { vcpuCount: 0 },
  "256 vCPUs": { vcpuCount: 256 },
  "a relative kernel": { kernel: { path: "vmlinuz", commandLine: "" } },
  "a kernel command line that Linux would cut": {
    kernel: { path: "/k", commandLine: "x".repeat(2048) },
  },
  "a disk id with a comma": { disks: [{ ...disk, id: "a,b" }] },
  "a disk id that is too long": { disks: [{ ...disk, id: "a".repeat(27) }] },
  "two disks of one id": { disks: [disk, disk] },
  "a disk id that is another's file node": { disks: [disk, { ...disk, id: "a-file" }] },
  "two ports of one name": {
    ports: [
      { name: "p", logPath: "/p" },
      { name: "p", logPath: "/q" },
    ],
  },
  "a relative disk": { disks: [{ ...disk, path: "disk" }] },
  "a multicast MAC address": {
    network: { kind: "user", macAddress: "01:00:5e:00:00:01", forwards: [] },
  },
  "a host name as address": {
    network: {
      kind: "user",
      macAddress: mac,
      forwards: [{ ...forward, hostAddress: "localhost" }],
    },
  },
  "an address with options": {
    network: {
      kind: "user",
      macAddress: mac,
      forwards: [{ ...forward, hostAddress: "127.0.0.1,restrict=off" }],
    },
  },
  "host port 0": {
    network: { kind: "user", macAddress: mac, forwards: [{ ...forward, hostPort: 0 }] },
  },
  "guest port 65536": {
    network: { kind: "user", macAddress: mac, forwards: [{ ...forward, guestPort: 65_536 }] },
  },
  "a fw_cfg name outside opt/": { firmwareConfig: [{ name: "etc/acpi/rsdp", path: "/f" }] },
  "a fw_cfg name that is too long": {
    firmwareConfig: [{ name: `opt/${"x".repeat(52)}`, path: "/f" }],
  },
  "a port name with a space": { ports: [{ name: "a b", logPath: "/p" }] },
  "two channels": {
    ports: [
      { name: "a", channel: true },
      { name: "b", channel: true },
    ],
  },
  "31 virtio-serial ports": {
    ports: Array.from({ length: 31 }, (_value, index) => ({ name: `p${index}`, logPath: "/p" })),
  },
  "a monitor path that the kernel would cut": { qmpSocketPath: `/${"x".repeat(107)}` },
  "a path longer than PATH_MAX": { consoleLogPath: `/${"x".repeat(4096)}` },
};

for (const [what, changes] of Object.entries(refusedMachines)) {
  test(`refuses ${what}`, () => {
    assert.throws(
      () => qemuArguments(machineIn("/run/m", changes)),
      (error: unknown) =>
        error instanceof HostError &&
        error.code === "WL_QEMU_FAILED" &&
        error.facts.next !== undefined,
    );
  });
}

test.run();
