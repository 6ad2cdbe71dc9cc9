/** Starting and ending the real QEMU: what fails is explained, and nothing is left behind. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import * as assert from "uvu/assert";
import { HostError } from "../../host-tools/errors.ts";
import { portSocketId } from "../../host-tools/qemu/command-line.ts";
import type { Machine } from "../../host-tools/qemu/machine.ts";
import { isAlive, waitForExit } from "../../host-tools/qemu/process-identity.ts";
import { stopQemu } from "../../host-tools/qemu/stop-ladder.ts";
import { connectQmp } from "../../host-tools/qmp/connection.ts";
import { lockFile, tryLockFile } from "../../image-builder/store/file-lock.ts";
import { machineIn, startableMachine } from "../support/machine.ts";
import { qemuMissing, qemuRig } from "../support/qemu.ts";
import { suite } from "../support/suite.ts";

const test = suite("qemu process");
const missing = await qemuMissing();

async function failure(work: Promise<unknown>): Promise<HostError> {
  const error = await work.then(
    () => assert.unreachable("it started"),
    (caught) => caught,
  );
  assert.instance(error, HostError);
  return error as HostError;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

if (missing !== undefined) test.skip(missing, "everything");
else {
  test("runs in a session of its own, and quits when told", async ({ signal }) => {
    await using rig = await qemuRig(signal);
    const machine = await startableMachine(rig.folder);
    const qemu = await rig.start(machine);
    assert.ok(await isAlive(qemu));
    const status = await readFile(`/proc/${qemu.pid}/stat`, "utf8");
    const [, , , session] = status.slice(status.lastIndexOf(")") + 2).split(" ");
    assert.is(Number(session), qemu.pid);
    const report = await stopQemu({ process: qemu, qmp: qemu.qmp }, { signal, quitTimeoutMs: 9e3 });
    assert.is(report.endedBy, "quit");
    assert.equal(await qemu.exited, { exitCode: 0, signal: null });
    assert.not(await exists(machine.qmpSocketPath));
    assert.not(await exists(machine.pidFilePath));
  });

  test("runs under its seccomp filter", async ({ signal }) => {
    await using rig = await qemuRig(signal);
    const { pid } = await rig.start(await startableMachine(rig.folder));
    assert.match(await readFile(`/proc/${pid}/status`, "utf8"), /^Seccomp:\t2$/m);
  });

  test("a machine that ends at once has run", async ({ signal }) => {
    await using rig = await qemuRig(signal);
    const machine = await startableMachine(rig.folder, { ending: "poweroff" });
    const qemu = await rig.start(machine, { paused: true });
    await qemu.qmp.execute("cont");
    assert.equal(await qemu.waitForExit({ signal }), { exitCode: 0, signal: null });
    assert.not(await isAlive(qemu));
  });

  test("goes on when the program that started it ends", async ({ signal }) => {
    await using rig = await qemuRig(signal);
    const machine = await startableMachine(rig.folder);
    const program = `
      const { startQemu } = await import(${JSON.stringify(
        new URL("../../host-tools/qemu/process.ts", import.meta.url).href,
      )});
      const { pid, startTicks, bootId, qmp } = await startQemu(${JSON.stringify(machine)}, {
        binary: { path: ${JSON.stringify(rig.binary.path)} },
        stderrLogPath: ${JSON.stringify(rig.folder.file("stderr.log"))},
      });
      await qmp.close();
      console.log(JSON.stringify({ pid, startTicks, bootId }));
    `;
    const argv = ["--import", "tsx", "--input-type=module", "-e", program];
    const starter = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
    const [[line], [exitCode]] = await Promise.all([
      once(starter.stdout, "data", { signal }),
      once(starter, "close", { signal }),
    ]);
    assert.is(exitCode, 0);
    const identity = JSON.parse(String(line));
    try {
      assert.ok(await isAlive(identity));
      await using qmp = await connectQmp({ path: machine.qmpSocketPath, signal });
      assert.is((await qmp.execute("query-status")).running, true);
    } finally {
      await stopQemu({ process: identity }, { terminateTimeoutMs: 0 });
    }
  });

  test("ends with a kill when it hangs", async ({ signal }) => {
    await using rig = await qemuRig(signal);
    const machine = await startableMachine(rig.folder);
    const qemu = await rig.start(machine);
    process.kill(qemu.pid, "SIGSTOP");
    const limits = { signal, quitTimeoutMs: 50, terminateTimeoutMs: 50 };
    const report = await stopQemu({ process: qemu, qmp: qemu.qmp }, limits);
    assert.is(report.endedBy, "SIGKILL");
    await waitForExit(qemu, { signal });
    assert.is((await qemu.qmp.ended).code, "WL_QMP_DISCONNECTED");
  });

  test("a lock that QEMU inherits lives as long as QEMU", async ({ signal }) => {
    await using rig = await qemuRig(signal);
    const path = rig.folder.file("lock");
    const lock = await lockFile(path, { signal });
    const qemu = await rig.start(await startableMachine(rig.folder), { lockFd: lock.fd });
    await lock.close();
    assert.is(await tryLockFile(path, { signal }), undefined);
    const freed = lockFile(path, { signal });
    process.kill(qemu.pid, "SIGKILL");
    await (await freed).close();
  });

  test("a channel is connected from the start, until it is closed, and can be opened again", async ({
    signal,
  }) => {
    await using rig = await qemuRig(signal);
    const ports = [{ name: "test.channel", channel: true }] as const;
    const machine = await startableMachine(rig.folder, undefined, { ports });
    const { qmp, channel } = await rig.start(machine);
    const id = portSocketId(1);
    const isConnected = async (): Promise<boolean> => {
      const port = (await qmp.execute("query-chardev")).find(({ label }) => label === id);
      return port !== undefined && !port.filename.startsWith("disconnected:");
    };
    assert.ok(await isConnected());
    channel?.destroy();
    while (await isConnected()) {
      // QEMU has not seen it yet.
    }
    const path = rig.folder.file("port.sock");
    const addr = { type: "unix", data: { path } } as const;
    const backend = { type: "socket", data: { addr, server: true, wait: false } } as const;
    await qmp.execute("chardev-change", { id, backend });
    const socket = connect({ path });
    await once(socket, "connect", { signal });
    while (!(await isConnected())) {
      // QEMU has not accepted it yet.
    }
    socket.destroy();
  });

  test("names the rule of a port that is taken", async ({ signal }) => {
    await using rig = await qemuRig(signal);
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port: hostPort } = server.address() as AddressInfo;
    const machine = await startableMachine(rig.folder, undefined, {
      network: {
        kind: "user",
        macAddress: "52:54:00:12:34:56",
        forwards: [{ protocol: "tcp", hostAddress: "127.0.0.1", hostPort, guestPort: 80 }],
      },
    });
    const error = await failure(rig.start(machine));
    server.close();
    assert.is(error.code, "WL_PORT_UNAVAILABLE");
    assert.match(error.message, `tcp:127.0.0.1:${hostPort}-:80`);
    assert.not(await exists(machine.pidFilePath));
  });

  const broken: Record<string, [Partial<Machine>, RegExp]> = {
    "a kernel that is none": [{ kernel: { path: "/etc/hostname", commandLine: "" } }, /kernel/],
    "a kernel that is missing": [
      { kernel: { path: "/nowhere/k", commandLine: "" } },
      /\/nowhere\/k/,
    ],
    "a disk that is missing": [
      { disks: [{ id: "base", path: "/nowhere/disk", format: "raw", readOnly: true }] },
      /\/nowhere\/disk/,
    ],
    "a fw_cfg file that is missing": [
      { firmwareConfig: [{ name: "opt/a", path: "/nowhere/f" }] },
      /\/nowhere\/f|opt\/a/,
    ],
  };
  for (const [what, [changes, words]] of Object.entries(broken)) {
    test(`quotes QEMU about ${what}`, async ({ signal }) => {
      await using rig = await qemuRig(signal);
      const machine = await startableMachine(rig.folder);
      const error = await failure(rig.start({ ...machine, ...changes }));
      assert.is(error.code, "WL_QEMU_FAILED");
      assert.match(`${error.message} ${error.facts.detail?.["stderr"]}`, words);
      assert.is(error.facts.detail?.["exitCode"], 1);
    });
  }

  test("says that a disk is in use by another machine", async ({ signal }) => {
    await using rig = await qemuRig(signal);
    const path = rig.folder.file("disk");
    await writeFile(path, "");
    await truncate(path, 1024 * 1024);
    const disks = [{ id: "data", path, format: "raw", readOnly: false }] as const;
    const machine = await startableMachine(rig.folder, undefined, { disks });
    await rig.start(machine, { paused: true });
    const second = {
      ...machine,
      qmpSocketPath: rig.folder.file("qmp2.sock"),
      pidFilePath: rig.folder.file("pid2"),
    };
    const error = await failure(rig.start(second));
    assert.is(error.code, "WL_QEMU_FAILED");
    assert.match(error.message, '"write" lock');
  });

  test("quotes only what this QEMU said, not an earlier one", async ({ signal }) => {
    await using rig = await qemuRig(signal);
    const machine = await startableMachine(rig.folder);
    const stderrLogPath = rig.folder.file("stderr.log");
    await writeFile(stderrLogPath, "Could not set up host forwarding rule 'old'\n");
    await rm(machine.kernel.path);
    const error = await failure(rig.start(machine));
    assert.is(error.code, "WL_QEMU_FAILED");
    assert.not.match(String(error.facts.detail?.["stderr"]), "old");
    assert.match(await readFile(stderrLogPath, "utf8"), "'old'");
  });

  test("gives up on a program that never opens a monitor, and ends it", async ({ signal }) => {
    await using rig = await qemuRig(signal);
    const path = rig.folder.file("not-qemu");
    const pidFile = rig.folder.file("not-qemu.pid");
    await writeFile(path, `#!/bin/sh\necho $$ > ${pidFile}\nexec sleep 1000\n`, { mode: 0o755 });
    const machine = machineIn(rig.folder.path);
    const error = await failure(rig.start(machine, { binary: { path }, timeoutMs: 500 }));
    assert.is(error.code, "WL_QEMU_FAILED");
    assert.match(error.message, "did not answer in 500 ms");
    const pid = Number(await readFile(pidFile, "utf8"));
    assert.throws(() => process.kill(pid, 0), /ESRCH/);
  });

  test("says so when the program is missing", async ({ signal }) => {
    await using rig = await qemuRig(signal);
    const machine = machineIn(rig.folder.path);
    const error = await failure(rig.start(machine, { binary: { path: "/nowhere/qemu" } }));
    assert.is(error.code, "WL_QEMU_UNAVAILABLE");
  });

  test("starts nothing when its folder is missing", async ({ signal }) => {
    await using rig = await qemuRig(signal);
    const machine = machineIn(rig.folder.path);
    const error = await failure(rig.start(machine, { stderrLogPath: "/nowhere/stderr.log" }));
    assert.is(error.code, "WL_HOST_IO");
  });

  test("an aborted start leaves no process", async ({ signal }) => {
    await using rig = await qemuRig(signal);
    const path = rig.folder.file("not-qemu");
    const pidFile = rig.folder.file("not-qemu.pid");
    const controller = new AbortController();
    const reason = new Error("enough");
    await writeFile(path, `#!/bin/sh\necho $$ > ${pidFile}\nexec sleep 1000\n`, { mode: 0o755 });
    const starting = rig.start(machineIn(rig.folder.path), {
      binary: { path },
      signal: controller.signal,
    });
    setImmediate(() => controller.abort(reason));
    assert.is(await starting.catch((error) => error), reason);
    const pid = await readFile(pidFile, "utf8").catch(() => undefined);
    if (pid) assert.throws(() => process.kill(Number(pid), 0), /ESRCH/);
  });
}

test.run();
