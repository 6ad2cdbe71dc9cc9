/** Requests per second that the agent of a guest answers: `GET /os/version`, four clients. */
import { Agent, request } from "node:http";
import { Instances } from "../../host-tools/instance/instances.ts";
import { build } from "../../image-builder/build-image.ts";
import { type BenchReport, report, Samples } from "./bench.ts";
import { benchHome, HELLO_FOLDER } from "./rig.ts";

const RUNS = 3;
const CLIENTS = 4;
const WARM_UP_MS = 3_000;
const MEASURE_MS = 5_000;

export async function benchAgent(runs = RUNS): Promise<BenchReport> {
  const samples = new Samples();
  await using home = await benchHome();
  await build({ folder: HELLO_FOLDER, name: "hello", folders: home.folders });
  const instances = new Instances(home.folders);
  const { record } = await instances.create({ image: "hello" });
  try {
    const started = await instances.start(record.id);
    await instances.ready(started);
    const { launch, tokens } = started.record;
    const target = { port: launch?.agentPort ?? 0, token: tokens.admin };
    for (const keepAlive of [true, false]) await load(target, keepAlive, WARM_UP_MS);
    for (let round = 0; round < runs; round += 1) {
      for (const [name, keepAlive] of [
        ["keep-alive", true],
        ["new-connection", false],
      ] as const) {
        const latencies = await load(target, keepAlive, MEASURE_MS);
        samples.add(name, "1/s", (latencies.length * 1000) / MEASURE_MS);
        latencies.sort((a, b) => a - b);
        samples.add(`${name}/p99`, "ms", latencies[Math.floor(latencies.length * 0.99)] ?? 0);
      }
    }
    return await report("agent", samples, launch?.accelerator ?? "none");
  } finally {
    await instances.remove(record.id, { force: true });
  }
}

/** @returns the latency of every answer, in milliseconds */
async function load(
  { port, token }: { port: number; token: string },
  keepAlive: boolean,
  durationMs: number,
): Promise<number[]> {
  const agent = new Agent({ keepAlive, maxSockets: CLIENTS });
  const options = {
    host: "127.0.0.1",
    port,
    path: "/os/version",
    headers: { authorization: `Bearer ${token}` },
    agent,
  };
  const latencies: number[] = [];
  const endMs = performance.now() + durationMs;
  const client = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const startedMs = performance.now();
      await new Promise<void>((resolve, reject) => {
        const call = request(options, (response) => {
          if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`));
          response.resume().on("end", resolve);
        });
        call.on("error", reject).end();
      });
      latencies.push(performance.now() - startedMs);
    }
  };
  try {
    await Promise.all(Array.from({ length: CLIENTS }, client));
    return latencies;
  } finally {
    agent.destroy();
  }
}
