import * as assert from "uvu/assert";
import { suite } from "../../../support/suite.ts";
import { CLONE, preloadedProgram } from "./preloaded-program.ts";

const test = suite("hooks in a program");

const HOOKS = `
import { beforeTemplate, afterClone } from "windlass/guest";
const say = (...words) => console.log(words.join(" "));
`;

test("sleeps from the end of its hooks to the record, and sees nothing before", async ({
  signal,
}) => {
  await using program = await preloadedProgram(`${HOOKS}
beforeTemplate(async () => { await null; say("before 1"); });
beforeTemplate(() => say("before 2"));
afterClone((context) => say("after", process.env.LATE, JSON.stringify(context)));
afterClone(() => say("after 2"));
process.stdin.on("data", (data) => { say("input", data); process.exit(3); });
say("ready");`);
  assert.is(await program.line(), "ready");
  assert.equal(await program.arm(signal), { ok: true });
  program.write("hello");
  program.wake(CLONE);
  assert.is(await program.line(), "before 1");
  assert.is(await program.line(), "before 2");
  const { env: _env, ...context } = CLONE;
  const [word, late, json = ""] = (await program.line())?.split(" ") ?? [];
  assert.equal([word, late, JSON.parse(json)], ["after", "bound", context]);
  assert.is(await program.line(), "after 2");
  assert.is(await program.line(), "input hello");
  assert.equal(await program.ended(), { exitCode: 3, errors: "" });
});

test("goes on as it was when the machine stays the same, and can sleep again", async ({
  signal,
}) => {
  await using program = await preloadedProgram(`${HOOKS}
let times = 0;
beforeTemplate(() => say("before", ++times));
afterClone(({ kind, instance }) => say(kind, instance, Math.random() < 1));
setInterval(() => {}, 1000);
say("ready");`);
  await program.line();
  for (const time of [1, 2]) {
    assert.equal(await program.arm(signal), { ok: true });
    program.wake({ kind: "resume" });
    assert.is(await program.line(), `before ${time}`);
    assert.is(await program.line(), "resume  true");
  }
});

test("does not sleep when a hook fails, and says why", async ({ signal }) => {
  await using program = await preloadedProgram(`${HOOKS}
beforeTemplate(() => say("closed"));
beforeTemplate(async () => { throw new Error("no way"); });
beforeTemplate(() => say("never"));
afterClone(({ kind }) => { say(kind); process.stdin.unref(); });
process.stdin.resume();
say("ready");`);
  await program.line();
  const report = await program.arm(signal);
  assert.match("error" in report ? report.error : "", /no way/);
  assert.is(await program.line(), "closed");
  // What the first hook closed can be opened again.
  assert.is(await program.line(), "cancelled");
  const { exitCode, errors } = await program.ended();
  assert.is(exitCode, 0);
  assert.match(errors, /windlass: a beforeTemplate hook failed: Error: no way/);
});

test("an afterClone hook that fails is reported and ends nothing", async ({ signal }) => {
  await using program = await preloadedProgram(`${HOOKS}
afterClone(() => { throw new Error("one"); });
afterClone(async () => { await null; throw new Error("two"); });
afterClone(() => { say("three"); setImmediate(() => { say("alive"); process.stdin.unref(); }); });
process.stdin.resume();
say("ready");`);
  await program.line();
  await program.arm(signal);
  program.wake(CLONE);
  assert.is(await program.line(), "three");
  assert.is(await program.line(), "alive");
  const { exitCode, errors } = await program.ended();
  assert.is(exitCode, 0);
  assert.match(errors, /afterClone hook failed: Error: one/);
  assert.match(errors, /afterClone hook failed: Error: two/);
});

test("programs with the same seed draw different numbers after they woke as clones", async ({
  signal,
}) => {
  const source = `${HOOKS}
const describe = () => {
  const { name, length } = Math.random;
  const { value, ...attributes } = Object.getOwnPropertyDescriptor(Math, "random");
  return JSON.stringify({ name, length, ...attributes, own: Object.keys(value) });
};
const native = describe();
const numbers = () => Array.from({ length: 3 }, Math.random).join();
say(numbers());
afterClone(() => { say(numbers()); say(describe() === native); process.exit(); });
setInterval(() => {}, 1000);`;
  const nodeFlags = ["--random-seed=7"];
  await using one = await preloadedProgram(source, { nodeFlags });
  await using two = await preloadedProgram(source, { nodeFlags });
  assert.is(await one.line(), await two.line());
  for (const program of [one, two]) {
    await program.arm(signal);
    program.wake(CLONE);
  }
  const [first, second] = [await one.line(), await two.line()];
  assert.is.not(first, second);
  for (const value of `${first},${second}`.split(",").map(Number)) {
    assert.ok(value >= 0 && value < 1, `${value}`);
  }
  assert.is(await one.line(), "true");
});

test("Math.random of a clone is even and uses 53 bits", async ({ signal }) => {
  await using program = await preloadedProgram(`${HOOKS}
afterClone(() => {
  const counts = Array(16).fill(0);
  let low = 0;
  for (let i = 0; i < 64_000; i += 1) {
    const value = Math.random();
    counts[Math.floor(value * 16)] += 1;
    low |= Number((value * 2 ** 53) % 2 ** 21);
  }
  say(JSON.stringify(counts)); say(low === 2 ** 21 - 1); process.exit();
});
say("ready"); setInterval(() => {}, 1000);`);
  await program.line();
  await program.arm(signal);
  program.wake(CLONE);
  const counts: number[] = JSON.parse((await program.line()) ?? "[]");
  assert.is(counts.length, 16);
  // 4000 expected, standard deviation 61: 8 of them are never seen.
  for (const count of counts) assert.ok(Math.abs(count - 4000) < 500, `${counts}`);
  assert.is(await program.line(), "true");
});

test("no number that was ready before is drawn after, whatever was drawn between two templates", async ({
  signal,
}) => {
  await using program = await preloadedProgram(`
import crypto, { randomInt, randomUUID } from "node:crypto";
${HOOKS}
const addon = { exports: {} };
process.dlopen(addon, "./kernel-random.node");
const calls = addon.exports;
const own = () => BigInt.asUintN(32, calls());
for (let i = 0; i < 77; i += 1) randomUUID(), randomInt(3), randomInt(3);
afterClone(() => {
  const before = own();
  randomUUID();
  const uuid = own();
  randomInt(1000);
  const integer = own();
  randomUUID();
  randomInt(1000);
  say(uuid - before, integer - uuid, own() - integer);
});
say("ready"); setInterval(() => {}, 1000);`);
  await program.line();
  for (const _time of [1, 2, 3]) {
    await program.arm(signal);
    program.wake(CLONE);
    assert.is(await program.line(), "1 1 0");
  }
});

test("V8 leaves the heap of a clone alone until the program does something", async ({ signal }) => {
  await using program = await preloadedProgram(`
import { cachedDataVersionTag } from "node:v8";
${HOOKS}
// It depends on V8's flags: whether incremental marking is on is one.
const before = cachedDataVersionTag();
let garbage;
const work = () => {
  for (let count = 0; count < 100_000; count += 1) garbage = { count };
  if (cachedDataVersionTag() !== before) return setImmediate(work);
  say("as before");
  process.exit();
};
afterClone(() => {
  say(cachedDataVersionTag() === before ? "never off" : "off");
  work();
});
say("ready"); setInterval(() => {}, 1000);`);
  await program.line();
  await program.arm(signal);
  program.wake(CLONE);
  assert.is(await program.line(), "off");
  assert.is(await program.line(), "as before");
});

test("a program's own Math.random stays", async ({ signal }) => {
  await using program = await preloadedProgram(`${HOOKS}
Math.random = () => 0.5;
afterClone(() => { say(Math.random()); process.exit(); });
say("ready"); setInterval(() => {}, 1000);`);
  await program.line();
  await program.arm(signal);
  program.wake(CLONE);
  assert.is(await program.line(), "0.5");
});

test("cannot be seen by the program, nor taken away", async ({ signal }) => {
  await using program = await preloadedProgram(
    `
const { beforeTemplate, afterClone } = require("windlass/guest");
console.log(process.listenerCount("SIGSTKFLT"), process.eventNames().includes("SIGSTKFLT"),
  Object.hasOwn(process, "emit"), Object.keys(globalThis).length);
process.removeAllListeners();
process.on("SIGSTKFLT", () => console.log("mine too"));
const unregister = beforeTemplate(() => console.log("gone"));
unregister();
afterClone(() => console.log("after"));
process.stdin.on("data", () => process.exit());
`,
    { name: "program.cjs" },
  );
  await using plain = await preloadedProgram("console.log(Object.keys(globalThis).length)");
  const [count, named, own, globals] = (await program.line())?.split(" ") ?? [];
  assert.equal([count, named, own], ["0", "false", "false"]);
  assert.is(globals, await plain.line());
  await program.arm(signal);
  program.wake(CLONE);
  const lines = new Set([await program.line(), await program.line()]);
  assert.equal(lines, new Set(["mine too", "after"]));
  program.write("end");
  assert.is((await program.ended()).exitCode, 0);
});

test("does not keep a program alive that has nothing to do", async () => {
  await using program = await preloadedProgram("console.log('done')");
  assert.equal(await program.ended(), { exitCode: 0, errors: "" });
});

test("says once that clones share what OpenSSL draws, and wakes all the same", async ({
  signal,
}) => {
  await using program = await preloadedProgram(
    `${HOOKS}
let times = 0;
afterClone(() => { say("awake"); if (++times === 2) process.exit(); });
say("ready"); setInterval(() => {}, 1000);`,
    { hasAddon: false },
  );
  await program.line();
  for (const _time of [1, 2]) {
    await program.arm(signal);
    program.wake(CLONE);
    assert.is(await program.line(), "awake");
  }
  const { errors } = await program.ended();
  assert.is(errors.split("clones will share the random numbers").length - 1, 1, errors);
});

test.run();
