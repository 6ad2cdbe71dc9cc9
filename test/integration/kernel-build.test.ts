/** What programs find in a machine with the kernel of "windlass kernel build". */
import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import * as assert from "uvu/assert";
import type { GuestClient } from "../../host-tools/guest-client/guest-client.ts";
import { ownConfiguration } from "../../image-builder/kernels/kernel-build.ts";
import {
  kernelOptions,
  overriddenOptions,
} from "../../image-builder/kernels/kernel-configuration.ts";
import { KernelStore } from "../../image-builder/kernels/kernel-store.ts";
import { addOwnKernel, OWN_KERNEL_TIMEOUT_MS, ownKernelMissing } from "../support/own-kernel.ts";
import { type BootedMachine, machineSuite, type Rig } from "../support/rig.ts";

let rig: Rig;
let web: BootedMachine;
let client: GuestClient;
let release: string;

const test = await machineSuite("kernel of our own", {
  timeoutMs: OWN_KERNEL_TIMEOUT_MS,
  missing: await ownKernelMissing(),
  async setup(newRig, { signal }) {
    rig = newRig;
    const { kernel } = await addOwnKernel(new KernelStore(rig.folders.data), signal);
    ({ release } = kernel);
    await rig.build("hello-http", { name: "hello" });
    web = await rig.boot({ image: "hello", name: "web" });
    ({ client } = await rig.instances.client("web"));
  },
  async teardown() {
    await client?.close();
  },
});

/** What JavaScript in the guest's Node resolves to, through JSON. */
async function evaluate(script: string, signal: AbortSignal): Promise<unknown> {
  const program = `(async () => { ${script} })().then((value) => console.log(JSON.stringify(value)))`;
  const body = { argv: ["/usr/local/bin/node", "-e", program], timeoutMs: 120_000 };
  const reply = await client.call("exec", { body }, { signal, timeoutMs: 120_000 });
  assert.is(reply.exitCode, 0, reply.stderr);
  return JSON.parse(reply.stdout);
}

test("a machine with it is ready, and says which kernel it has", async ({ signal }) => {
  assert.is(web.readiness, "ready");
  assert.match(release, /^6\.1\.\d+-windlass$/);
  assert.is(await evaluate('return require("node:os").release()', signal), release);
});

test("it has no modules and is configured as we asked", async ({ signal }) => {
  const script = `const fs = require("node:fs");
    return [fs.existsSync("/proc/modules"), fs.readFileSync("/proc/config.gz").toString("base64")]`;
  const [hasModules, config] = (await evaluate(script, signal)) as [boolean, string];
  assert.is(hasModules, false);
  const actual = kernelOptions(gunzipSync(Buffer.from(config, "base64")).toString(), "config.gz");
  const path = ownConfiguration();
  const wanted = kernelOptions(await readFile(path, "utf8"), path);
  assert.equal(overriddenOptions(wanted, actual), []);
});

test("it complains about nothing while it starts", async ({ signal }) => {
  const log = await client.call("osDmesg", {}, { signal });
  for (const words of ["WARNING:", "BUG:", "Call Trace", "Unknown kernel command line"]) {
    assert.not.match(log, words);
  }
});

test("file systems, namespaces and limits are those of any Linux", async ({ signal }) => {
  const script = `const { readFileSync, readdirSync } = require("node:fs");
    const words = (path, column) => readFileSync(path, "utf8").trim().split("\\n")
      .map((line) => line.split(/\\s+/).at(column));
    return {
      filesystems: words("/proc/filesystems", -1),
      namespaces: readdirSync("/proc/self/ns"),
      cgroups: words("/proc/cgroups", 0),
      corePattern: words("/proc/sys/kernel/core_pattern", 0),
      sysctls: [...readdirSync("/proc/sys/fs"), ...readdirSync("/proc/sys/kernel")],
      devices: readdirSync("/dev"),
    }`;
  const found = (await evaluate(script, signal)) as Record<string, string[]>;
  const expected: Record<string, readonly string[]> = {
    filesystems: ["erofs", "overlay", "ext4", "tmpfs", "fuse", "virtiofs", "9p", "hugetlbfs"],
    namespaces: ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"],
    cgroups: ["memory", "pids", "freezer", "cpu", "cpuset"],
    corePattern: ["core"],
    sysctls: [
      "mqueue",
      "inotify",
      "fanotify",
      "binfmt_misc",
      "shmmax",
      "msgmax",
      "seccomp",
      "keys",
    ],
    devices: ["ptmx", "pts", "fuse", "net", "hwrng", "loop-control", "rtc0", "vda", "vdb", "vsock"],
  };
  for (const [kind, names] of Object.entries(expected)) {
    const lacking = names.filter((name) => !found[kind]?.includes(name));
    assert.equal(lacking, [], kind);
  }
});

test("workers, children, file watching and signals work", async ({ signal }) => {
  const script = `const { once } = require("node:events");
    const { Worker } = require("node:worker_threads");
    const { spawn } = require("node:child_process");
    const fs = require("node:fs");
    const worker = new Worker('require("node:worker_threads").parentPort.postMessage(6 * 7)', { eval: true });
    const [sum] = await once(worker, "message");
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000); console.log(1)"]);
    await once(child.stdout, "data");
    child.kill("SIGTERM");
    const [, by] = await once(child, "exit");
    const watcher = fs.watch("/tmp");
    const changed = once(watcher, "change");
    fs.writeFileSync("/tmp/watched", "x");
    const [, name] = await changed;
    watcher.close();
    return { sum, by, name }`;
  assert.equal(await evaluate(script, signal), { sum: 42, by: "SIGTERM", name: "watched" });
});

test("the program's end ends the machine with its status", async () => {
  await rig.build("exit-seven", { name: "seven" });
  const { instance, readiness } = await rig.boot({ image: "seven", name: "seven" });
  assert.is(readiness, "ended");
  const end = await rig.instances.wait(instance.record.id);
  assert.is(end.exitCode, 7);
});

test("stopping powers the machine off", async () => {
  const { steps } = await rig.instances.stop("web");
  const last = steps.at(-1);
  assert.equal([last?.step, last?.ended], ["poweroff", true]);
});

test.run();
