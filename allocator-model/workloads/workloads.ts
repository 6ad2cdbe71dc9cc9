/** All workloads, by name. */
import { lifetimesFewKib, uniformFewKib } from "./few-kib.ts";
import { larson } from "./larson.ts";
import { mstress } from "./mstress.ts";
import { networkBuffers } from "./network-buffers.ts";
import { pageCache } from "./page-cache.ts";
import { sh6bench } from "./sh6bench.ts";
import type { Workload } from "./workload.ts";
import { xmalloc64, xmallocMix } from "./xmalloc.ts";

/** A workload's trace has its name. */
export const workloads: Readonly<Record<string, Workload>> = {
  larson,
  "xmalloc-64": xmalloc64,
  "xmalloc-mix": xmallocMix,
  sh6bench,
  mstress,
  "network-buffers": networkBuffers,
  "page-cache": pageCache,
  "uniform-1-8k": uniformFewKib,
  "lifetimes-1-8k": lifetimesFewKib,
};
