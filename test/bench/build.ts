/** Builds of examples/hello-http: cold, unchanged, and after one file changed. */

import { spawnSync } from "node:child_process";
import { cp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type BenchReport, report, Samples } from "./bench.ts";
import { benchHome, HELLO_FOLDER } from "./rig.ts";

const RUNS = 5;
const cli = join(import.meta.dirname, "../../dist/host-tools/cli/main.js");

/** Whole processes, as a user waits for them. */
export async function benchBuild(runs = RUNS): Promise<BenchReport> {
  const samples = new Samples();
  await using home = await benchHome();
  const project = join(home.folder, "project");
  await cp(HELLO_FOLDER, project, { recursive: true });
  const environment = {
    ...process.env,
    WINDLASS_HOME: home.folder,
    XDG_RUNTIME_DIR: home.folder,
  };
  const build = (name: string): void => {
    const startedMs = performance.now();
    const args = [cli, "build", project, "-t", "hello", "--json"];
    const { status, stderr } = spawnSync(process.execPath, args, { env: environment });
    if (status !== 0) throw new Error(`build failed: ${stderr}`);
    samples.add(name, "ms", performance.now() - startedMs);
  };
  for (let round = 0; round < runs; round += 1) {
    for (const part of ["blobs", "names"]) {
      await rm(join(home.folders.data, part), { recursive: true, force: true });
    }
    await rm(home.folders.cache, { recursive: true, force: true });
    build("cold");
    build("unchanged");
    await writeFile(join(project, "changed.js"), `// ${round}\n`);
    build("one-file");
  }
  return await report("build", samples, "none");
}
