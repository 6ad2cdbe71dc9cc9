import * as assert from "uvu/assert";
import { ARM_SIGNAL } from "../../../../guest/api/wake-channel.ts";
import { suite } from "../../../support/suite.ts";
import { CLONE, type PreloadedProgram, preloadedProgram } from "./preloaded-program.ts";

const test = suite("V8 in a program that is saved");

/** Without TurboFan a function is interpreted or has baseline code, and that at once when it is not made in batches. */
const PROGRAM = `
import v8 from "node:v8";
v8.setFlagsFromString("--allow-natives-syntax");
v8.setFlagsFromString("--no-opt");
v8.setFlagsFromString("--no-baseline-batch-compilation");
const isBaseline = new Function("f", "return %ActiveTierIsSparkplug(f)");
const warmed = () => {
  const sum = new Function("n", "let s = 0; for (let i = 0; i < 10; i++) s += i * n; return s");
  for (let call = 0; call < 3000; call++) sum(call);
  return isBaseline(sum);
};
const fillHeap = () => { for (let i = 0; i < 200; i++) new Array(50_000).fill(i); };
const commands = { warmed, fillHeap };
process.stdin.on("data", (name) => console.log(String(commands[name]())));
console.log("ready");`;

test("makes no baseline code from the rehearsal to the first garbage in a clone", async ({
  signal,
}) => {
  await using program = await preloadedProgram(PROGRAM);
  const ask = async (name: string): Promise<string | undefined> => {
    program.write(name);
    return await program.line();
  };
  await program.line();
  assert.is(await ask("warmed"), "true");
  await program.arm(signal); // Rehearses, and sleeps.
  program.wake(CLONE);
  assert.is(await ask("warmed"), "false");
  await ask("fillHeap");
  assert.is(await ask("warmed"), "true");
});

/** Says what V8 collects. */
const OBSERVED = `
import { constants, PerformanceObserver } from "node:perf_hooks";
const observer = new PerformanceObserver((list) => {
  for (const { detail } of list.getEntries()) {
    console.log(detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR ? "all" : "young");
  }
});
observer.observe({ entryTypes: ["gc"] });
process.stdin.on("data", () => setTimeout(() => console.log("nothing more"), 100));
console.log("ready");`;

/** What it collected so far. */
async function collected(program: PreloadedProgram): Promise<Set<string | undefined>> {
  program.write("well");
  const kinds = new Set<string | undefined>();
  for (;;) {
    const line = await program.line();
    if (line === "nothing more") return kinds;
    kinds.add(line);
  }
}

test("collects garbage while nobody waits: all of it at first, then what is young", async () => {
  await using program = await preloadedProgram(OBSERVED);
  await program.line();
  await program.rehearse();
  assert.ok((await collected(program)).has("all"));
  process.kill(program.pid, ARM_SIGNAL);
  assert.equal([...(await collected(program))], ["young"]);
});

test("collects only what is young while somebody waits for the machine", async ({ signal }) => {
  await using program = await preloadedProgram(OBSERVED);
  await program.line();
  await program.arm(signal);
  program.wake(CLONE);
  assert.equal([...(await collected(program))], ["young"]);
});

for (const flag of ["--no-sparkplug", "--jitless"]) {
  test(`leaves baseline code to who runs node with ${flag}`, async ({ signal }) => {
    await using program = await preloadedProgram(PROGRAM, { nodeFlags: [flag] });
    const ask = async (name: string): Promise<string | undefined> => {
      program.write(name);
      return await program.line();
    };
    await program.line();
    await program.arm(signal);
    program.wake(CLONE);
    await ask("fillHeap");
    assert.is(await ask("warmed"), "false");
  });
}

test.run();
