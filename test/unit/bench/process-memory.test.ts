import * as assert from "uvu/assert";
import { processMemory, readCpuMs, readProcessMemory } from "../../bench/process-memory.ts";
import { suite } from "../../support/suite.ts";

const test = suite("bench/process-memory");

const ROLLUP = `55d0c7000000-7ffe2f3f6000 ---p 00000000 00:00 0          [rollup]
Rss:              133120 kB
Pss:               61440 kB
Pss_Dirty:         99999 kB
Private_Dirty:     99999 kB
Anonymous:         40960 kB
LazyFree:              0 kB
`;
const STATUS = "Name:\tqemu\nVmPeak:\t  900000 kB\nVmPTE:\t     512 kB\n";

test("private memory is what is anonymous, not what is dirty", () => {
  assert.equal(processMemory(ROLLUP, STATUS), {
    ...{ privateMib: 40, pssMib: 60, rssMib: 130, pageTablesMib: 0.5 },
  });
});

test("a field that is missing is no zero", () => {
  assert.throws(() => processMemory(ROLLUP.replace("Anonymous", "Other"), STATUS), /Anonymous/);
  assert.throws(() => processMemory(ROLLUP, ""), /VmPTE/);
});

test("reads a process that runs: this one", async () => {
  const memory = await readProcessMemory(process.pid);
  assert.ok(memory.rssMib >= memory.pssMib && memory.pssMib >= memory.privateMib);
  assert.ok(memory.privateMib > 1 && memory.pageTablesMib > 0);
  assert.ok((await readCpuMs(process.pid)) > 0);
});

test.run();
