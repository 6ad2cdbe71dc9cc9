/**
 * From the begin of a start to the first HTTP 200 of the program, and where the time goes. The runs of a case
 * follow each other: between others a clone takes a quarter longer (DECISIONS.md, 50).
 *
 * - cold-stock, cold-own: a boot with Debian's kernel, and with the one of `windlass kernel build`
 * - clone, clone-own: a clone of a template, which was made before
 * - restore: of a checkpoint, which was taken before
 * - template-save: from readiness and warm-up to the template being there; that machine is made anew
 *   (these two with Debian's kernel, where there is one)
 * - host-node: the anchor, the same program as a process of this host
 *
 * The phases of a case ("cold-stock/kernel") follow each other up to the answer, apart from `ready`, which
 * is the whole until the agent's REST API answers too, for a restored machine with its new identity:
 *
 * - qemu: until QEMU's monitor answers
 * - kernel: firmware and kernel, until the first stage runs
 * - init: modules, mounts and `/init`, until the program is started
 * - program: until its first answer
 * - load: until the clone's state is loaded and it goes on
 * - wake: until its program's first answer
 *
 * Cold machines have the default memory, clones, restored machines and templates 256 MiB: the size that
 * the project's promises are about. There is no anchor of Debian's cloud kernel with a systemd root:
 * making that root is a bootstrap of Debian, with root's rights and a mirror, which a bench cannot ask for.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { type BootPhase, endOfPhase } from "../../host-tools/instance/boot-marks.ts";
import { BootTrace } from "../../host-tools/instance/boot-trace.ts";
import { Checkpoints } from "../../host-tools/instance/checkpoints.ts";
import { type Instance, Instances } from "../../host-tools/instance/instances.ts";
import type { CreateOptions } from "../../host-tools/instance/new-record.ts";
import { Templates } from "../../host-tools/instance/templates.ts";
import { pickFreePort } from "../../host-tools/network/host-port.ts";
import type { PublishRequest } from "../../host-tools/network/publish.ts";
import { build } from "../../image-builder/build-image.ts";
import { type BenchReport, report, Samples } from "./bench.ts";
import { firstAnswer, WHILE_BOOTING, WHILE_WAKING } from "./http-poll.ts";
import { benchHome, benchKernels, HELLO_FOLDER } from "./rig.ts";

const RUNS = 10;
const GUEST_PORT = 8080;
const CLONE_MEMORY_MIB = 256;
/** A process starts in a tenth of a second: the interval is what its time is told to. */
const HOST_POLL = { ...WHILE_BOOTING, intervalMs: 5 };

export async function benchStart(runs = RUNS): Promise<BenchReport> {
  const samples = new Samples();
  await using home = await benchHome();
  const instances = new Instances(home.folders);
  const cases: ((samples: Samples) => Promise<void>)[] = [];
  const kernels = await benchKernels(home);
  for (const { name, release } of kernels) {
    const image = `hello-${name}`;
    await build({ folder: HELLO_FOLDER, name: image, folders: home.folders, kernel: release });
    cases.push((into) => coldStart(instances, { name: `cold-${name}`, image }, into));
  }
  for (const { name } of kernels) {
    const image = `hello-${name}`;
    const clone = name === "own" ? "clone-own" : "clone";
    const options = { image, name: clone, memoryMib: CLONE_MEMORY_MIB };
    const template = (await new Templates(instances).create(options)).id;
    cases.push((into) => cloneStart(instances, { name: clone, image, template }, into));
  }
  const image = `hello-${kernels[0]?.name}`;
  const checkpoints = new Checkpoints(instances);
  const accelerator = await takeCheckpoint(instances, checkpoints, image);
  cases.push((into) => restore(instances, checkpoints, into));
  cases.push((into) => saveTemplate(instances, image, into));
  cases.push(hostStart);

  for (const run of cases) {
    await run(new Samples()); // Unpacks the kernel, fills the page cache.
    for (let count = 0; count < runs; count += 1) await run(samples);
  }
  return await report("start", samples, accelerator);
}

async function coldStart(
  instances: Instances,
  { name, image }: { name: string; image: string },
  samples: Samples,
): Promise<void> {
  const publish = await publishPort();
  await withInstance(instances, { image, publish, boot: "cold" }, async (id, port) => {
    const answered = firstAnswer(port, WHILE_BOOTING);
    const startedMs = performance.now();
    const trace = new BootTrace();
    const instance = await instances.start(id);
    const readiness = await instances.ready(instance, trace);
    const readyMs = performance.now() - startedMs;
    const totalMs = (await answered) - startedMs;
    const spans = await trace.spans(instances, instance, { readiness });
    const end = (phase: BootPhase): number => endOfPhase(spans, phase) ?? Number.NaN;
    samples.add(name, "ms", totalMs);
    samples.add(`${name}/qemu`, "ms", end("qemu"));
    samples.add(`${name}/kernel`, "ms", end("kernel") - end("qemu"));
    samples.add(`${name}/init`, "ms", end("init") - end("kernel"));
    samples.add(`${name}/program`, "ms", totalMs - end("init"));
    samples.add(`${name}/ready`, "ms", readyMs);
  });
}

async function cloneStart(
  instances: Instances,
  { name, image, template }: { name: string; image: string; template: string },
  samples: Samples,
): Promise<void> {
  const options = { image, memoryMib: CLONE_MEMORY_MIB, boot: { template } };
  const publish = await publishPort();
  await withInstance(instances, { ...options, publish }, async (id, port) => {
    const startedMs = performance.now();
    const instance = await instances.start(id);
    mustBeClone(instance);
    const ready = instances.ready(instance).then(() => performance.now());
    const totalMs = (await firstAnswer(port, WHILE_WAKING)) - startedMs;
    const { monitorMs = Number.NaN, loadedMs = Number.NaN } = instance.record.launch?.timing ?? {};
    samples.add(name, "ms", totalMs);
    samples.add(`${name}/qemu`, "ms", monitorMs);
    samples.add(`${name}/load`, "ms", loadedMs - monitorMs);
    samples.add(`${name}/wake`, "ms", totalMs - loadedMs);
    samples.add(`${name}/ready`, "ms", (await ready) - startedMs);
  });
}

/** One that booted because its template did not fit would be measured as what it is not. */
function mustBeClone({ record }: Instance): void {
  const boot = record.launch?.boot;
  if (boot?.kind === "cold") throw new Error(`it is no clone: ${boot.why}`);
}

const CHECKPOINT = "hello";

/** @returns the accelerator that this host's machines have */
async function takeCheckpoint(
  instances: Instances,
  checkpoints: Checkpoints,
  image: string,
): Promise<string> {
  const options = { image, memoryMib: CLONE_MEMORY_MIB, boot: "cold" } as const;
  const publish = await publishPort();
  return await withInstance(instances, { ...options, publish }, async (id, port) => {
    const started = await instances.start(id);
    await instances.ready(started);
    await firstAnswer(port, WHILE_BOOTING);
    await checkpoints.take(id, { name: CHECKPOINT });
    return started.record.launch?.accelerator ?? "none";
  });
}

async function restore(
  instances: Instances,
  checkpoints: Checkpoints,
  samples: Samples,
): Promise<void> {
  const publish = await publishPort();
  // The program answers before its machine has its new identity.
  const answered = firstAnswer(publish[0].hostPort, WHILE_BOOTING);
  const startedMs = performance.now();
  const { record } = await checkpoints.restore(CHECKPOINT, { publish });
  const restoredMs = performance.now();
  try {
    samples.add("restore", "ms", (await answered) - startedMs);
    samples.add("restore/ready", "ms", restoredMs - startedMs);
  } finally {
    await instances.remove(record.id, { force: true });
  }
}

async function saveTemplate(instances: Instances, image: string, samples: Samples): Promise<void> {
  const templates = new Templates(instances);
  const { id, timing } = await templates.create({ image, memoryMib: CLONE_MEMORY_MIB });
  samples.add("template-save", "ms", timing.saveMs);
  samples.add("template-save/ready", "ms", timing.readyMs);
  samples.add("template-save/warm-up", "ms", timing.warmUpMs);
  await templates.remove(id);
}

/** The anchor: the same program, started on the host. */
async function hostStart(samples: Samples): Promise<void> {
  const port = await pickFreePort("127.0.0.1");
  const startedMs = performance.now();
  const child: ChildProcess = spawn(process.execPath, [join(HELLO_FOLDER, "server.js")], {
    stdio: "ignore",
    env: { ...process.env, PORT: String(port) },
  });
  try {
    const answeredMs = await firstAnswer(port, HOST_POLL);
    samples.add("host-node", "ms", answeredMs - startedMs);
  } finally {
    child.kill("SIGKILL");
  }
}

/** Makes an instance, which is removed whatever happens. */
async function withInstance<T>(
  instances: Instances,
  options: CreateOptions & { readonly publish: readonly [Published] },
  action: (id: string, port: number) => Promise<T>,
): Promise<T> {
  const { record } = await instances.create(options);
  try {
    return await action(record.id, options.publish[0].hostPort);
  } finally {
    await instances.remove(record.id, { force: true });
  }
}

type Published = PublishRequest & { readonly hostPort: number };

async function publishPort(): Promise<readonly [Published]> {
  const hostAddress = "127.0.0.1";
  const hostPort = await pickFreePort(hostAddress);
  return [{ protocol: "tcp", hostAddress, hostPort, guestPort: GUEST_PORT }];
}
