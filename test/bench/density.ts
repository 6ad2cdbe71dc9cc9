/**
 * How many clones fit: the memory of idle clones of a 256 MiB machine, and how long starting them takes.
 *
 * - template-ram-file: what the template's memory takes on disk
 * - start-50-serial, start-50-parallel: from the first start until all have answered with 200, one after
 *   another and 8 at a time; without the pauses in which memory is looked at
 * - private-per-clone-N, pss-per-clone-N, rss-per-clone-N: of every clone's QEMU while N are there
 *   (process-memory.ts says what private is)
 * - private-after-minute: of the first clone, a minute after it answered and without another request: V8 and
 *   the kernel tidy up seconds later, which writes to memory
 * - total-50: what 50 take together, each page of a file counted once, page tables included
 *
 * Idle is a clone that is ready and whose QEMU has hardly used the CPU for two seconds.
 */
import { setTimeout as delay } from "node:timers/promises";
import { type Instance, Instances } from "../../host-tools/instance/instances.ts";
import type { Template } from "../../host-tools/instance/template.ts";
import { Templates } from "../../host-tools/instance/templates.ts";
import { build } from "../../image-builder/build-image.ts";
import { type BenchReport, report, Samples } from "./bench.ts";
import { firstAnswer, WHILE_WAKING } from "./http-poll.ts";
import { readCpuMs, readProcessMemory } from "./process-memory.ts";
import { benchHome, HELLO_FOLDER } from "./rig.ts";

const RUNS = 1;
const CLONES = 50;
const LOOK_AT = [1, 10, CLONES];
const AT_ONCE = 8;
const MEMORY_MIB = 256;
const GUEST_PORT = 8080;

/** No request for this long, and so much CPU time in it at most: a guest at rest has a few timers. */
const IDLE_WINDOW_MS = 2_000;
const IDLE_CPU_MS = 100;
const IDLE_TIMEOUT_MS = 60_000;
const LATER_MS = 60_000;

export async function benchDensity(runs = RUNS): Promise<BenchReport> {
  const samples = new Samples();
  await using home = await benchHome();
  const instances = new Instances(home.folders);
  await build({ folder: HELLO_FOLDER, name: "hello", folders: home.folders });
  const options = { image: "hello", name: "hello", memoryMib: MEMORY_MIB };
  const template = await new Templates(instances).create(options);
  samples.add("template-ram-file", "MiB", template.memory.diskBytes / 1024 ** 2);
  let accelerator = "none";
  for (let round = 0; round < runs; round += 1) {
    accelerator = await startSerial(instances, template, samples);
    await startParallel(instances, template, samples);
  }
  return await report("density", samples, accelerator);
}

/** @returns the accelerator that the clones had */
async function startSerial(
  instances: Instances,
  template: Template,
  samples: Samples,
): Promise<string> {
  await using clones = new Clones(instances, template);
  let elapsedMs = 0;
  while (clones.started.length < CLONES) {
    const startedMs = performance.now();
    await clones.start();
    elapsedMs += performance.now() - startedMs;
    if (LOOK_AT.includes(clones.started.length)) await lookAtMemory(clones, samples);
    if (clones.started.length === 1) await lookLater(clones, samples);
  }
  samples.add(`start-${CLONES}-serial`, "s", elapsedMs / 1000);
  return clones.started[0]?.record.launch?.accelerator ?? "none";
}

async function startParallel(
  instances: Instances,
  template: Template,
  samples: Samples,
): Promise<void> {
  await using clones = new Clones(instances, template);
  let left = CLONES;
  const startSome = async (): Promise<void> => {
    while (left-- > 0) await clones.start();
  };
  const startedMs = performance.now();
  const lines = await Promise.allSettled(Array.from({ length: AT_ONCE }, startSome));
  const elapsedMs = performance.now() - startedMs;
  for (const line of lines) if (line.status === "rejected") throw line.reason;
  samples.add(`start-${CLONES}-parallel`, "s", elapsedMs / 1000);
}

async function lookAtMemory(clones: Clones, samples: Samples): Promise<void> {
  const pids = clones.started.map(({ record }) => record.launch?.process.pid ?? 0);
  await Promise.all(clones.started.map((clone) => clones.instances.ready(clone)));
  await Promise.all(pids.map(untilIdle));
  const all = await Promise.all(pids.map(readProcessMemory));
  for (const { privateMib, pssMib, rssMib } of all) {
    samples.add(`private-per-clone-${pids.length}`, "MiB", privateMib);
    samples.add(`pss-per-clone-${pids.length}`, "MiB", pssMib);
    samples.add(`rss-per-clone-${pids.length}`, "MiB", rssMib);
  }
  if (pids.length < CLONES) return;
  // Nobody but the clones maps what they map, apart from a few libraries: their shares are the whole.
  const totals = all.map(({ pssMib, pageTablesMib }) => pssMib + pageTablesMib);
  samples.add(
    `total-${CLONES}`,
    "MiB",
    totals.reduce((sum, value) => sum + value, 0),
  );
}

async function lookLater({ started: [first] }: Clones, samples: Samples): Promise<void> {
  await delay(LATER_MS);
  const { privateMib } = await readProcessMemory(first?.record.launch?.process.pid ?? 0);
  samples.add("private-after-minute", "MiB", privateMib);
}

/** @throws {Error} when it does not come to rest: its memory would not be that of an idle one */
async function untilIdle(pid: number): Promise<void> {
  const deadlineMs = performance.now() + IDLE_TIMEOUT_MS;
  let cpuMs = await readCpuMs(pid);
  while (performance.now() < deadlineMs) {
    await delay(IDLE_WINDOW_MS);
    const nowMs = await readCpuMs(pid);
    if (nowMs - cpuMs <= IDLE_CPU_MS) return;
    cpuMs = nowMs;
  }
  throw new Error(`the clone of process ${pid} does not come to rest in ${IDLE_TIMEOUT_MS} ms`);
}

/** Clones of one template; all are removed in the end, also those that did not start. */
class Clones implements AsyncDisposable {
  readonly instances: Instances;
  /** Those that have answered. */
  readonly started: Instance[] = [];
  readonly #template: Template;
  readonly #ids: string[] = [];

  constructor(instances: Instances, template: Template) {
    this.instances = instances;
    this.#template = template;
  }

  /** Starts one more; resolves when its program has answered. */
  async start(): Promise<void> {
    const { id, imageId: image, memoryMib } = this.#template;
    const hostAddress = "127.0.0.1";
    const where = { hostAddress, hostPort: undefined, guestPort: GUEST_PORT };
    const boot = { template: id };
    const publish = [{ protocol: "tcp", ...where } as const];
    const { record } = await this.instances.create({ image, memoryMib, boot, publish });
    this.#ids.push(record.id);
    const clone = await this.instances.start(record.id);
    const { launch } = clone.record;
    if (launch?.boot?.kind === "cold") throw new Error(`it is no clone: ${launch.boot.why}`);
    const port = launch?.forwards[0]?.hostPort ?? 0;
    await firstAnswer(port, WHILE_WAKING);
    this.started.push(clone);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const removals = this.#ids.map((id) => this.instances.remove(id, { force: true }));
    for (const result of await Promise.allSettled(removals)) {
      if (result.status === "rejected") throw result.reason;
    }
  }
}
