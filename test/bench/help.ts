/** How long `windlass --help` takes, against Node doing nothing. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { type BenchReport, report, Samples } from "./bench.ts";

const RUNS = 20;
const cli = join(import.meta.dirname, "../../dist/host-tools/cli/main.js");

export async function benchHelp(runs = RUNS): Promise<BenchReport> {
  const samples = new Samples();
  execFileSync(process.execPath, [cli, "--help"], { stdio: "ignore" }); // warms the page cache
  for (let round = 0; round < runs; round += 1) {
    for (const [name, args] of [
      ["help", [cli, "--help"]],
      ["host-node", ["-e", "0"]],
    ] as const) {
      const startedMs = performance.now();
      execFileSync(process.execPath, args, { stdio: "ignore" });
      samples.add(name, "ms", performance.now() - startedMs);
    }
  }
  return await report("help", samples, "none");
}
