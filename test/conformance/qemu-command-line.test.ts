/** The real QEMU reads our command line as it is meant, and the machine has what was described. */
import { mkdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { reserveHostPorts } from "../../host-tools/network/host-port.ts";
import { parsePublish } from "../../host-tools/network/publish.ts";
import { CONSOLE_CHARDEV_ID, QMP_CHARDEV_ID } from "../../host-tools/qemu/command-line.ts";
import type { Machine } from "../../host-tools/qemu/machine.ts";
import type { QmpConnection } from "../../host-tools/qmp/connection.ts";
import { type BootMachine, machineIn } from "../support/machine.ts";
import { pvhKernel } from "../support/pvh-kernel.ts";
import { qemuMissing, qemuRig } from "../support/qemu.ts";
import { suite } from "../support/suite.ts";

const test = suite("qemu command line");
const missing = await qemuMissing();

/** The device types under QEMU's list of user-created devices, by their ids. */
async function devices(qmp: QmpConnection): Promise<Record<string, string>> {
  const children = await qmp.execute("qom-list", { path: "/machine/peripheral" });
  const entries = children.map(({ name, type }) => [name, /^child<(.*)>$/.exec(type)?.[1] ?? ""]);
  return Object.fromEntries(entries.filter(([, type]) => type !== ""));
}

async function writeFiles(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "kernel"), pvhKernel({ ending: "halt" }));
  await writeFile(join(folder, "initrd"), "an archive");
  await writeFile(join(folder, "instance.json"), "{}");
  for (const name of ["base", "data"]) {
    await writeFile(join(folder, name), "");
    await truncate(join(folder, name), 1024 * 1024);
  }
}

function fullMachine(folder: string, forwards: Machine["network"]): BootMachine {
  return machineIn(folder, {
    name: "h1, guest=x \\ 'y' ä",
    vcpuCount: 2,
    kernel: {
      path: `${folder}/kernel`,
      initrdPath: `${folder}/initrd`,
      commandLine: 'console=ttyS0 a="b,c" d=e,,f',
    },
    disks: [
      { id: "base", path: `${folder}/base`, format: "raw", readOnly: true },
      { id: "data", path: `${folder}/data`, format: "raw", readOnly: false },
    ],
    network: forwards,
    ports: [
      { name: "org.windlass.journal", logPath: `${folder}/journal` },
      { name: "org.windlass.other", logPath: `${folder}/other` },
    ],
    firmwareConfig: [
      { name: "opt/org.windlass/instance", path: `${folder}/instance.json` },
      { name: `opt/${"x".repeat(51)}`, path: `${folder}/instance.json` },
    ],
  });
}

if (missing !== undefined) test.skip(missing, "everything");
else {
  test("the smallest machine starts, stopped when asked, and has one device", async ({
    signal,
  }) => {
    await using rig = await qemuRig(signal);
    await writeFiles(rig.folder.path);
    const { qmp } = await rig.start(machineIn(rig.folder.path), { paused: true });
    const { running, status } = await qmp.execute("query-status");
    assert.equal({ running, status }, { running: false, status: "prelaunch" });
    assert.equal(await devices(qmp), { rng0: "virtio-rng-pci" });
    assert.equal(await qmp.execute("query-kvm"), { enabled: false, present: true });
    await qmp.execute("cont");
    assert.is((await qmp.execute("query-status")).running, true);
  });

  for (const name of ["plain", "a,b =,,c 'd\" $e;f ä"]) {
    test(`a full machine has what was described, in a folder named ${name}`, async ({ signal }) => {
      await using rig = await qemuRig(signal);
      const folder = rig.folder.file(name);
      await writeFiles(folder);
      const reservation = await reserveHostPorts([parsePublish("80"), parsePublish("53/udp")]);
      await reservation.close();
      const network = {
        kind: "user",
        macAddress: "52:54:00:12:34:56",
        forwards: reservation.forwards,
      } as const;
      const machine = fullMachine(folder, network);
      const { qmp, pid } = await rig.start(machine, { paused: true });

      assert.equal(await devices(qmp), {
        "base-device": "virtio-blk-pci",
        "data-device": "virtio-blk-pci",
        nic0: "virtio-net-pci",
        "virtio-serial0": "virtio-serial-pci",
        port1: "virtserialport",
        port2: "virtserialport",
        rng0: "virtio-rng-pci",
      });
      const disks = await qmp.execute("query-block");
      assert.equal(
        disks.map(({ qdev, inserted }) => [qdev, inserted?.file, inserted?.ro]),
        [
          ["/machine/peripheral/base-device/virtio-backend", `${folder}/base`, true],
          ["/machine/peripheral/data-device/virtio-backend", `${folder}/data`, false],
        ],
      );
      const chardevs = await qmp.execute("query-chardev");
      assert.equal(
        chardevs.map(({ label }) => label).sort(),
        [CONSOLE_CHARDEV_ID, "first-monitor", "port1-log", "port2-log", QMP_CHARDEV_ID].sort(),
      );
      const get = (path: string, property: string): Promise<unknown> =>
        qmp.execute("qom-get", { path, property });
      assert.is(await get("/machine", "kernel"), machine.kernel.path);
      assert.is(await get("/machine", "initrd"), machine.kernel.initrdPath);
      assert.is(await get("/machine", "append"), machine.kernel.commandLine);
      assert.is(await get("/machine/peripheral/nic0", "mac"), "52:54:00:12:34:56");
      assert.is(await get("/machine/peripheral/port1", "name"), "org.windlass.journal");
      assert.is(await get("/machine/peripheral/port2", "name"), "org.windlass.other");
      assert.is((await qmp.execute("query-cpus-fast")).length, 2);
      assert.is(Number(await readFile(machine.pidFilePath, "utf8")), pid);
    });
  }

  test("machines share a read-only disk", async ({ signal }) => {
    await using rig = await qemuRig(signal);
    await writeFiles(rig.folder.path);
    const disks = [
      { id: "base", path: rig.folder.file("base"), format: "raw", readOnly: true },
    ] as const;
    const kernel = { path: rig.folder.file("kernel"), commandLine: "" };
    for (const name of ["one", "two"]) {
      await mkdir(rig.folder.file(name));
      const machine = machineIn(rig.folder.file(name), { name, kernel, disks });
      const { qmp } = await rig.start(machine, { paused: true });
      await qmp.close();
    }
  });

  test("the console is appended to", async ({ signal }) => {
    await using rig = await qemuRig(signal);
    const machine = machineIn(rig.folder.path);
    await writeFile(machine.consoleLogPath, "before\n");
    await writeFile(machine.kernel.path, pvhKernel({ print: "hello\n", ending: "poweroff" }));
    const qemu = await rig.start(machine, { paused: true });
    const shutdown = qemu.qmp.waitForEvent("SHUTDOWN", { signal });
    await qemu.qmp.execute("cont");
    assert.equal((await shutdown).data, { guest: true, reason: "guest-shutdown" });
    assert.equal(await qemu.waitForExit({ signal }), { exitCode: 0, signal: null });
    assert.is(await readFile(machine.consoleLogPath, "utf8"), "before\nhello\n");
  });
}

test.run();
