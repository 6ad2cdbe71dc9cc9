/**
 * From QEMU's start to the first HTTP 200 of the program, and where the time goes:
 *
 * - kernel: QEMU, firmware and kernel, until the first stage runs
 * - init: modules, mounts and `/init`, until Node is started
 * - agent: Node's start and the agent's boot, until the program is started
 * - program: until its first answer
 * - ready: the whole, until the agent's REST API answers too
 *
 * The guest tells the marks in its uptime: kernel log, process table, journal. Its wall clock is only good
 * to a second (the RTC's), so uptime is tied to this host's clock by the arrival of a journal record.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { type Instance, Instances } from "../../host-tools/instance/instances.ts";
import { pickFreePort } from "../../host-tools/network/host-port.ts";
import { build } from "../../image-builder/build-image.ts";
import { type BenchReport, report, Samples } from "./bench.ts";
import { firstAnswer } from "./http-poll.ts";
import { benchHome, HELLO_FOLDER } from "./rig.ts";

const RUNS = 5;

export async function benchStart(runs = RUNS): Promise<BenchReport> {
  const samples = new Samples();
  await using home = await benchHome();
  await build({ folder: HELLO_FOLDER, name: "hello", folders: home.folders });
  const instances = new Instances(home.folders);
  let accelerator = "none";
  await coldStart(instances, new Samples()); // unpacks the kernel, warms the page cache
  for (let round = 0; round < runs; round += 1) {
    accelerator = await coldStart(instances, samples);
    await hostStart(samples);
  }
  return await report("start", samples, accelerator);
}

async function coldStart(instances: Instances, samples: Samples): Promise<string> {
  const hostPort = await pickFreePort("127.0.0.1");
  const publish = [
    { protocol: "tcp" as const, hostAddress: "127.0.0.1", hostPort, guestPort: 8080 },
  ];
  const { record } = await instances.create({ image: "hello", publish });
  try {
    const answered = firstAnswer(hostPort);
    const startedMs = performance.now();
    const started = await instances.start(record.id);
    const programStarted = programStart(instances, started);
    const answeredMs = await answered;
    await instances.ready(started);
    const readyMs = performance.now();
    const marks = await bootMarks(instances, started, await programStarted, startedMs);
    const name = "cold-stock";
    const totalMs = answeredMs - startedMs;
    samples.add(name, "ms", totalMs);
    samples.add(`${name}/kernel`, "ms", marks.firstStageMs);
    samples.add(`${name}/init`, "ms", marks.nodeMs - marks.firstStageMs);
    samples.add(`${name}/agent`, "ms", marks.programMs - marks.nodeMs);
    samples.add(`${name}/program`, "ms", totalMs - marks.programMs);
    samples.add(`${name}/ready`, "ms", readyMs - startedMs);
    return started.record.launch?.accelerator ?? "none";
  } finally {
    await instances.remove(record.id, { force: true });
  }
}

interface BootMarks {
  readonly firstStageMs: number;
  readonly nodeMs: number;
  readonly programMs: number;
}

/** Linux's USER_HZ: the unit of start times in /proc/PID/stat (proc(5)). */
const TICK_MS = 10;

interface ProgramStart {
  /** performance.now() when its record arrived. */
  readonly arrivedMs: number;
  readonly uptimeMs: number;
}

async function programStart(instances: Instances, instance: Instance): Promise<ProgramStart> {
  for await (const entry of instances.journal(instance, { follow: true })) {
    if (entry.kind === "phase" && entry.phase === "program-started") {
      return { arrivedMs: performance.now(), uptimeMs: entry.uptimeMs };
    }
  }
  throw new Error("the machine ended before its program started");
}

/** When the marks were passed, in milliseconds from the start of QEMU. */
async function bootMarks(
  instances: Instances,
  instance: Instance,
  { arrivedMs, uptimeMs }: ProgramStart,
  startedMs: number,
): Promise<BootMarks> {
  const programMs = arrivedMs - startedMs;
  const uptimeZeroMs = programMs - uptimeMs;
  const { client } = await instances.client(instance.record.id);
  await using _client = client;
  const file = async (path: string): Promise<string> =>
    (await client.raw("GET", `/file${path}?op=GET`)).body.toString();
  const log = await client.call("osDmesg", {});
  const runInit = Number(/\[ *([0-9.]+)\] Run \/init as init process/.exec(log)?.[1]) * 1000;
  const [agent = ""] = (await file("/proc/1/task/1/children")).trim().split(" ");
  const fields = (await file(`/proc/${agent}/stat`)).split(") ")[1]?.split(" ") ?? [];
  return {
    firstStageMs: uptimeZeroMs + runInit,
    nodeMs: uptimeZeroMs + Number(fields[19]) * TICK_MS, // field 22, starttime
    programMs,
  };
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
    samples.add("host-node", "ms", (await firstAnswer(port)) - startedMs);
  } finally {
    child.kill("SIGKILL");
  }
}
