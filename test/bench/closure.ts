/** How long it takes to find the libraries of a program, beside ldd(1), which runs the dynamic linker for it. */
import { execFile } from "node:child_process";
import { realpath } from "node:fs/promises";
import { promisify } from "node:util";
import { libraryClosure } from "../../image-builder/runtimes/library-closure.ts";
import { type BenchReport, report, Samples } from "./bench.ts";

const RUNS = 20;

export async function benchClosure(runs = RUNS): Promise<BenchReport> {
  const samples = new Samples();
  const programs = { python3: await realpath("/usr/bin/python3"), node: process.execPath };
  // The first reading of a file is the disk's time.
  for (const path of Object.values(programs)) await libraryClosure([path]);
  for (let run = 0; run < runs; run += 1) {
    for (const [name, path] of Object.entries(programs)) {
      await timed(samples, `closure/${name}`, () => libraryClosure([path]));
      await timed(samples, `closure/ldd-${name}`, () => promisify(execFile)("ldd", [path]));
    }
  }
  return await report("closure", samples, "none");
}

async function timed(
  samples: Samples,
  name: string,
  action: () => Promise<unknown>,
): Promise<void> {
  const startedMs = performance.now();
  await action();
  samples.add(name, "ms", performance.now() - startedMs);
}
