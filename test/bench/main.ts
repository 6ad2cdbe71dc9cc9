/** `npm run bench -- NAME [--json] [-n RUNS]` */
import { parseArgs } from "node:util";
import { type BenchReport, table } from "./bench.ts";

/** Each runs itself RUNS times (its own default when not told) and reports. */
const BENCHES: Readonly<Record<string, () => Promise<(runs?: number) => Promise<BenchReport>>>> = {
  agent: async () => (await import("./agent.ts")).benchAgent,
  allocator: async () => (await import("./allocator.ts")).benchAllocator,
  build: async () => (await import("./build.ts")).benchBuild,
  closure: async () => (await import("./closure.ts")).benchClosure,
  density: async () => (await import("./density.ts")).benchDensity,
  help: async () => (await import("./help.ts")).benchHelp,
  pull: async () => (await import("./pull.ts")).benchPull,
  size: async () => (await import("./size.ts")).benchSize,
  start: async () => (await import("./start.ts")).benchStart,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "boolean" }, n: { type: "string", short: "n" } },
});
const load = BENCHES[positionals[0] ?? ""];
const runs = values.n === undefined ? undefined : Number(values.n);
if (!load || positionals.length !== 1 || (runs !== undefined && !(runs >= 1))) {
  console.error(`usage: npm run bench -- ${Object.keys(BENCHES).join("|")} [--json] [-n RUNS]`);
  process.exit(2);
}
const run = await load();
const result = await run(runs);
console.log(values.json ? JSON.stringify(result) : table(result));
process.exit(0);
