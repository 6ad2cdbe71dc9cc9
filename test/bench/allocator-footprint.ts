/**
 * What memory the same requests take: every workload and every committed trace, in each scheme of the model and with
 * the real allocators of this host. Cases, all of them at the moment when the footprint was largest:
 *
 * - requested/WORKLOAD: most bytes that were asked for at a time, to compare with.
 * - footprint/WORKLOAD/SCHEME-OR-ALLOCATOR
 * - internal/...: in objects, behind what was asked for. other/...: outside of objects.
 * - header/.../SCHEME: part of other; external/.../SCHEME: part of the free pages that are not in the largest range.
 *
 * The model gives the same each time, so that it runs once.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Trace } from "../../allocator-model/trace.ts";
import { readTrace } from "../../allocator-model/trace-reader.ts";
import { workloads } from "../../allocator-model/workloads/workloads.ts";
import { type Comparison, openComparer } from "../../host-tools/allocator/comparison.ts";
import { realAllocatorNames } from "../../host-tools/allocator/real-allocators.ts";
import type { Samples } from "./bench.ts";

const TRACES = join(import.meta.dirname, "../../allocator-model/traces");
const TRACE_SUFFIX = ".wlat";
const MIB = 2 ** 20;
/** Of real allocators: their figures differ little from run to run. */
const RUNS_MAX = 3;

export async function benchFootprint(samples: Samples, runs: number): Promise<void> {
  await using all = await openComparer();
  await using real = await openComparer({ allocators: realAllocatorNames });
  for await (const trace of benchTraces()) {
    const comparison = await all.compare(trace);
    samples.add(`requested/${trace.name}`, "MiB", comparison.requestedBytes / MIB);
    addRows(samples, comparison);
    for (let run = 1; run < Math.min(runs, RUNS_MAX); run += 1) {
      addRows(samples, await real.compare(trace));
    }
  }
}

async function* benchTraces(): AsyncGenerator<Trace> {
  for (const { make } of Object.values(workloads)) yield make();
  const names = (await readdir(TRACES)).filter((name) => name.endsWith(TRACE_SUFFIX)).sort();
  for (const name of names) {
    const bytes = await readFile(join(TRACES, name));
    yield readTrace(bytes, name.slice(0, -TRACE_SUFFIX.length)).trace;
  }
}

function addRows(samples: Samples, { trace, rows }: Comparison): void {
  for (const row of rows) {
    const name = `${trace}/${row.allocator}`;
    if ("missingPackage" in row) {
      console.error(`no footprint/${name}: package ${row.missingPackage} is not installed`);
      continue;
    }
    samples.add(`footprint/${name}`, "MiB", row.footprintBytes / MIB);
    samples.add(`internal/${name}`, "MiB", row.internalWasteBytes / MIB);
    samples.add(`other/${name}`, "MiB", row.otherWasteBytes / MIB);
    if (row.headerBytes !== undefined) samples.add(`header/${name}`, "MiB", row.headerBytes / MIB);
    if (row.externalFragmentation !== undefined) {
      samples.add(`external/${name}`, "1", row.externalFragmentation);
    }
  }
}
