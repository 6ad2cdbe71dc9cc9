/** How many objects the threads of one heap serve, each of them a CPU. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { SchemeName } from "../../allocator-model/address-layout.ts";
import { HeapCore } from "../../allocator-model/heap-core.ts";
import type { HeapThreadJob } from "./heap-thread.ts";

const PAIRS = 1_000_000;
const BATCH = 100;
const PAGES = 16_384;
const THREAD = new URL("heap-thread.ts", import.meta.url).href;
/** Threads do not take over that Node reads TypeScript. */
const START = `import("tsx/esm/api").then(({ register }) => { register(); return import("${THREAD}"); })`;

/** @returns pairs of malloc and free a second, of all threads together */
export async function threadPairsPerSecond(
  scheme: SchemeName,
  size: number,
  threads: number,
): Promise<number> {
  const heap = new HeapCore({ scheme, pageCount: PAGES, cpus: threads, background: "by-steps" });
  const share = heap.share();
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const workers = Array.from({ length: threads }, (_, cpu) => {
    const job: HeapThreadJob = { share, cpu, pairs: PAIRS, size, batch: BATCH, gate };
    return new Worker(START, { eval: true, workerData: job });
  });
  await Promise.all(workers.map(async (one) => await once(one, "message")));
  const done = Promise.all(workers.map(async (one) => await once(one, "message")));
  const startedMs = performance.now();
  Atomics.store(gate, 0, 1);
  Atomics.notify(gate, 0);
  await done;
  const elapsedMs = performance.now() - startedMs;
  await Promise.all(workers.map(async (one) => await one.terminate()));
  const violations = heap.violations();
  if (violations.length > 0) throw new Error(violations.join("; "));
  return (threads * PAIRS * 1000) / elapsedMs;
}
