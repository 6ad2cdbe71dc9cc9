/**
 * From QEMU's start to the first HTTP 200 of the program, and where the time goes. The phases are told
 * by the guest itself (journal) in its uptime; the kernel's starts with QEMU's.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { Instances } from "../../host-tools/instance/instances.ts";
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
    const startedAtMs = Date.now();
    const started = await instances.start(record.id);
    const answeredMs = await answered;
    await instances.ready(started);
    const readyMs = performance.now();
    const at = new Map<string, number>();
    for await (const entry of instances.journal(started)) {
      if (entry.kind === "phase") at.set(entry.phase, entry.timeMs - startedAtMs);
    }
    const name = "cold-stock";
    const init = at.get("init") ?? Number.NaN;
    const program = at.get("program-started") ?? Number.NaN;
    samples.add(name, "ms", answeredMs - startedMs);
    samples.add(`${name}/kernel-and-init`, "ms", init);
    samples.add(`${name}/agent-boot`, "ms", program - init);
    samples.add(`${name}/program`, "ms", answeredMs - startedMs - program);
    samples.add(`${name}/ready`, "ms", readyMs - startedMs);
    return started.record.launch?.accelerator ?? "none";
  } finally {
    await instances.remove(record.id, { force: true });
  }
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
