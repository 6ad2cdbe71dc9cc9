import { once } from "node:events";
import { Worker } from "node:worker_threads";
import * as assert from "uvu/assert";
import type { SchemeName } from "../../../allocator-model/address-layout.ts";
import { Heap } from "../../../allocator-model/heap.ts";
import type { HeapThreadJob } from "../../support/heap-thread.ts";
import { suite } from "../../support/suite.ts";

const test = suite("heap with threads");

const CPUS = 4;
const ROUNDS = 20_000;
/** Objects from before the CPUs are up, for each of them. */
const EARLY = 200;
const THREAD = new URL("../../support/heap-thread.ts", import.meta.url).href;
/** Threads do not take over that Node reads TypeScript. */
const START = `import("tsx/esm/api").then(({ register }) => { register(); return import("${THREAD}"); })`;

for (const scheme of ["offset-2013", "osv", "proposal"] as const satisfies SchemeName[]) {
  test(`${scheme}: threads are CPUs of one heap, and nothing is lost or shared`, async () => {
    const options = { scheme, pageCount: 2048, cpus: CPUS, background: "by-steps" } as const;
    const heap = new Heap({ ...options, isBooting: true });
    const early = Array.from({ length: CPUS * EARLY }, () => heap.malloc(500) ?? 0n);
    heap.startCpus();
    const share = heap.share();
    const mailboxes = new SharedArrayBuffer(CPUS * 8);
    const threads = Array.from({ length: CPUS }, (_, cpu) => {
      // Those of a page are freed by different CPUs.
      const own = BigUint64Array.from(early.filter((_address, index) => index % CPUS === cpu));
      const job: HeapThreadJob = { share, cpu, cpus: CPUS, mailboxes, rounds: ROUNDS, early: own };
      return new Worker(START, { eval: true, workerData: job });
    });
    const faults = await Promise.all(threads.map(async (one) => await once(one, "message")));
    await Promise.all(threads.map(async (one) => await one.terminate()));
    assert.equal(faults.flat(), Array(CPUS).fill(0), "contents that others changed");
    for (const address of new BigUint64Array(mailboxes)) heap.free(address);
    for (let cpu = 0; cpu < CPUS; cpu += 1) heap.collect(cpu);
    assert.equal(heap.checkInvariants(), []);
    assert.is(heap.footprintBytes / 4096, heap.core.small.emptyPages(), "pages in use");
  });
}

test.run();
