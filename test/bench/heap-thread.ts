/** A CPU of a shared heap, as a thread: pairs of malloc and free, as fast as it can, when all are there. */
import { parentPort, workerData } from "node:worker_threads";
import { defaultAlignment } from "../../allocator-model/dispatch.ts";
import { HeapCore, type HeapShare } from "../../allocator-model/heap-core.ts";

export interface HeapThreadJob {
  readonly share: HeapShare;
  readonly cpu: number;
  readonly pairs: number;
  readonly size: number;
  /** Objects that are alive at a time. */
  readonly batch: number;
  /** A word that turns 1 when all may begin. */
  readonly gate: Int32Array;
}

const { share, cpu, pairs, size, batch, gate } = workerData as HeapThreadJob;
const heap = new HeapCore(share.options, share.memory);

function run(count: number): void {
  const highs = new Uint32Array(batch);
  const lows = new Uint32Array(batch);
  const alignment = defaultAlignment(size);
  for (let done = 0; done < count; done += batch) {
    for (let index = 0; index < batch; index += 1) {
      if (!heap.malloc(size, alignment, cpu)) throw new Error("out of memory");
      highs[index] = heap.high;
      lows[index] = heap.low;
    }
    for (let index = 0; index < batch; index += 1) {
      heap.free(highs[index] ?? 0, lows[index] ?? 0, cpu);
    }
    heap.step(cpu);
  }
}

run(pairs); // V8 compiles it.
parentPort?.postMessage("ready");
Atomics.wait(gate, 0, 0);
run(pairs);
parentPort?.postMessage("done");
