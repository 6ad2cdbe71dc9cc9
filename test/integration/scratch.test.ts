/** Scratch disks in real machines, emulated: what a program keeps there outlives the machine. */
import { readFile, stat, truncate, writeFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import type { Instance } from "../../host-tools/instance/instances.ts";
import { signalProcess, waitForExit } from "../../host-tools/qemu/process-identity.ts";
import { createOverlay } from "../../image-builder/disks/overlay-file.ts";
import { fileSystemCheck } from "../support/file-system-check.ts";
import { machineSuite, type Rig } from "../support/rig.ts";

let rig: Rig;

const test = await machineSuite("scratch disk", {
  async setup(newRig) {
    rig = newRig;
    await rig.build(await rig.project("counter", { "index.js": COUNTER }), { name: "counter" });
  },
});

/** Counts its starts in a file, synced, and says the count and what it sees of the disk. */
const COUNTER = `
const fs = require("node:fs");
const file = process.env.FILE;
let count = 1;
try { count = Number(fs.readFileSync(file, "utf8")) + 1; } catch {}
const fd = fs.openSync(file, "w");
fs.writeSync(fd, String(count));
fs.fsyncSync(fd);
fs.closeSync(fd);
const mount = fs.readFileSync("/proc/mounts", "utf8").split("\\n").find((line) => line.startsWith("/dev/vdc "));
console.log(JSON.stringify({ count, mount, uid: fs.statSync(file).uid, mib: fs.statfsSync(file).blocks / 256 }));
require("node:http").createServer((q, s) => s.end("ok")).listen(8080);
`;

interface Seen {
  readonly count: number;
  readonly mount: string;
  readonly uid: number;
  readonly mib: number;
}

/** What the program of the last start said. */
async function seenBy(instance: Instance): Promise<Seen> {
  let text = "";
  for await (const record of rig.instances.journal(instance, { launchOnly: true })) {
    if (record.kind === "output" && record.stream === "stdout") text += record.text;
  }
  return JSON.parse(text);
}

async function startAgain(name: string): Promise<Instance> {
  const instance = await rig.instances.start(name);
  assert.is(await rig.instances.ready(instance), "ready");
  return instance;
}

test("what the program keeps is there after stop and start, and after a kill", async () => {
  const { instance } = await rig.boot({
    image: "counter",
    name: "keeper",
    scratch: { sizeMib: 64 },
    environment: { FILE: "/scratch/count" },
    program: { user: "1000:1000" },
  });
  const first = await seenBy(instance);
  assert.is(first.count, 1);
  assert.is(first.uid, 1000);
  assert.match(first.mount, /^\/dev\/vdc \/scratch ext4 rw,noatime,discard/);
  assert.ok(first.mib > 55 && first.mib <= 64, String(first.mib));

  const files = rig.instances.files(instance.record);
  await rig.instances.stop("keeper");
  assert.match(await fileSystemCheck(files.scratch), /: clean, 12\/16384 files/);
  const again = await startAgain("keeper");
  assert.is((await seenBy(again)).count, 2);

  const target = again.record.launch?.process;
  assert.ok(target);
  if (!target) return;
  await signalProcess(target, "SIGKILL");
  await waitForExit(target);
  const third = await startAgain("keeper");
  assert.is((await seenBy(third)).count, 3);
  await rig.instances.stop("keeper");
  assert.match(await fileSystemCheck(files.scratch, "-f"), /12\/16384 files/);
});

test("a restart of the machine from inside unmounts it too", async () => {
  const instance = await startAgain("keeper");
  const { client } = await rig.instances.client("keeper");
  const rebooted = rig.instances.wait("keeper");
  await client.call("osReboot", {}).catch(() => undefined);
  await client.close();
  await rebooted;
  const files = rig.instances.files(instance.record);
  assert.match(await fileSystemCheck(files.scratch), /: clean/);
});

test("processes that the program left behind do not keep it in use", async ({ signal }) => {
  const instance = await startAgain("keeper");
  const { client } = await rig.instances.client("keeper");
  const script = `
    const fs = require("node:fs");
    fs.openSync("/scratch/open", "a");
    require("node:child_process")
      .spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { cwd: "/scratch", detached: true, stdio: ["ignore", "ignore", "ignore", fs.openSync("/scratch/open", "a")] })
      .unref();`;
  const body = { argv: ["/usr/local/bin/node", "-e", script], user: "1000" };
  assert.is((await client.call("exec", { body }, { signal, timeoutMs: 60_000 })).exitCode, 0);
  await client.close();
  await rig.instances.stop("keeper");
  const files = rig.instances.files(instance.record);
  assert.match(await fileSystemCheck(files.scratch), /: clean/);
});

test("instances of one size share the empty disk, and no more", async () => {
  const { instance } = await rig.boot({
    image: "counter",
    name: "other",
    scratch: { sizeMib: 64, path: "/var/kept here" },
    environment: { FILE: "/var/kept here/count" },
  });
  const seen = await seenBy(instance);
  assert.is(seen.count, 1);
  assert.is(seen.uid, 0);
  await rig.instances.remove("other", { force: true });
  const gone = await stat(rig.instances.files(instance.record).scratch).catch((error) => error);
  assert.is(gone.code, "ENOENT");
});

test("a cut, damaged or missing disk is an error, not an empty disk", async () => {
  const { record } = await rig.instances.get("keeper");
  const { scratch } = rig.instances.files(record);
  const whole = await readFile(scratch);
  const start = async (): Promise<{ code: string; message: string }> =>
    await rig.instances.start("keeper").then(
      () => assert.unreachable("it started"),
      (error) => error,
    );
  await truncate(scratch, whole.length - 3 * 65536);
  let error = await start();
  assert.is(error.code, "WL_IMAGE_STORE");
  assert.match(error.message, /scratch-[0-9a-f]+\.qcow2": it was cut$/);
  await writeFile(scratch, "nonsense");
  error = await start();
  assert.match(error.message, /it is no qcow2 file$/);
  await rig.instances.remove("keeper");
});

test("without its disk the program does not start, and says why", async () => {
  const { record } = await rig.instances.create({
    image: "counter",
    accelerator: "tcg",
    name: "blank",
    scratch: { sizeMib: 16 },
    environment: { FILE: "/scratch/count" },
  });
  const backing = { path: rig.folder.file("blank.raw"), format: "raw" } as const;
  await writeFile(backing.path, "");
  await truncate(backing.path, 16 * 1024 * 1024);
  const { scratch } = rig.instances.files(record);
  await createOverlay(scratch, { backing, sizeBytes: 16 * 1024 * 1024 });
  const instance = await rig.instances.start("blank");
  assert.is(await rig.instances.ready(instance), "ended");
  const end = await rig.instances.wait("blank");
  assert.is(end.exitCode, 127);
  assert.is(
    end.reason,
    'Cannot mount the scratch disk at "/scratch": what is on it is no ext4 file system (EINVAL)',
  );
});

test.run();
