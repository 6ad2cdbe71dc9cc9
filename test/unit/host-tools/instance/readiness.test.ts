import { appendFile, rm, writeFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import type { JournalRecord } from "../../../../guest/api/journal.ts";
import { HostError } from "../../../../host-tools/errors.ts";
import { type ReadinessWait, waitReady } from "../../../../host-tools/instance/readiness.ts";
import { suite } from "../../../support/suite.ts";
import {
  exit,
  type InstanceFixture,
  instanceRecord,
  journalLine,
  phase,
  programSpec,
  storedInstance,
} from "./instance-fixture.ts";

const test = suite("readiness");

const NEVER = new Promise<never>(() => undefined);

function ready(instance: InstanceFixture, wait: Partial<ReadinessWait> = {}) {
  const { record, files } = instance;
  return waitReady(record, files, { machineEnded: NEVER, timeoutMs: 20_000, ...wait });
}

async function refusal(work: Promise<unknown>): Promise<HostError> {
  const error = await work.then(
    (value) => assert.unreachable(`was ${value}`),
    (caught) => caught,
  );
  assert.instance(error, HostError, String(error));
  return error as HostError;
}

const withProgram = (changes: object): object => ({
  options: { ...instanceRecord().options, program: { ...programSpec, ...changes } },
});

test("ready is when agent and program both answer, in any order", async () => {
  for (const journal of [
    [phase("init"), phase("ready"), phase("agent-listening")],
    [phase("agent-listening"), phase("ready")],
  ]) {
    await using instance = await storedInstance({}, journal);
    assert.is(await ready(instance), "ready");
  }
});

test("records that come while it waits count", async () => {
  await using instance = await storedInstance();
  const waiting = ready(instance);
  await appendFile(instance.files.journal, journalLine(phase("agent-listening")));
  await appendFile(instance.files.journal, journalLine(phase("ready")));
  assert.is(await waiting, "ready");
});

test("a program that has ended is no failure of the boot", async () => {
  await using off = await storedInstance({}, [exit(7)]);
  assert.is(await ready(off), "ended");
  await using kept = await storedInstance(withProgram({ onExit: "keep" }), [exit(7)]);
  const waiting = ready(kept);
  await appendFile(kept.files.journal, journalLine(phase("agent-listening")));
  assert.is(await waiting, "ended");
});

test("an exit that is followed by a restart is not the end", async () => {
  const again = exit(1, { final: false });
  const journal = [phase("agent-listening"), again, phase("ready")];
  await using instance = await storedInstance(
    withProgram({ ports: [{ port: 1, protocol: "tcp" }] }),
    journal,
  );
  assert.is(await ready(instance), "ready");
});

test("only this start's records count", async () => {
  const earlier = [phase("agent-listening"), phase("ready"), exit(0)].map(journalLine).join("");
  await using instance = await storedInstance({}, [earlier]);
  const { record, files } = instance;
  const launch = { ...record.launch, journalOffset: earlier.length } as typeof record.launch;
  const stop = new AbortController();
  const wait = { machineEnded: NEVER, signal: stop.signal };
  const waiting = waitReady({ ...record, launch }, files, wait);
  await appendFile(files.journal, journalLine(phase("agent-listening")));
  await appendFile(files.journal, journalLine(phase("ready")));
  assert.is(await waiting, "ready");
});

test("a machine that ends while it boots is reported with the end of its console", async () => {
  await using instance = await storedInstance({}, [phase("init")]);
  const noise = "\u001b[31mred\u0007 text\u001b[0m\n";
  const lines = Array.from({ length: 30 }, (_none, index) => `line ${index}\n`).join("");
  await writeFile(instance.files.console, `${lines}${noise}no room for more\n`);
  const error = await refusal(ready(instance, { machineEnded: Promise.resolve() }));
  assert.is(error.code, "WL_BOOT_FAILED");
  assert.match(
    error.message,
    /^Instance "web" ended while it booted with 256 MiB of memory; the end/,
  );
  assert.match(error.message, /\n {2}line 29\n {2}\[31mred text\[0m\n {2}no room for more$/);
  assert.not.ok(error.message.includes("line 15"));
  assert.match(error.facts.next ?? "", /See the console/);
});

test("a machine that was too small is given a size that does", async () => {
  await using instance = await storedInstance({}, []);
  await writeFile(
    instance.files.console,
    "Kernel panic - not syncing: System is deadlocked on memory\n",
  );
  const big = await refusal(ready(instance, { machineEnded: Promise.resolve() }));
  assert.is(big.facts.next, "Give it more memory: -m 512");
  await rm(instance.files.console);
  const options = { ...instance.record.options, memoryMib: 40 };
  const record = { ...instance.record, options };
  const wait = { machineEnded: Promise.resolve() };
  const small = await refusal(waitReady(record, instance.files, wait));
  assert.is(small.facts.next, "Give it more memory: -m 128");
  assert.match(small.message, /its console is empty/);
});

test("in time is part of ready", async () => {
  await using silent = await storedInstance({}, [phase("init")]);
  const slow = await refusal(ready(silent, { timeoutMs: 20 }));
  assert.is(slow.code, "WL_BOOT_TIMEOUT");
  assert.match(slow.message, /"web" did not answer in 0.02 s/);
  const health = {
    check: { kind: "tcp", port: 1 },
    ...{ intervalMs: 100, timeoutMs: 1, retries: 1, startPeriodMs: 0 },
  };
  const journal: JournalRecord[] = [phase("agent-listening")];
  await using sick = await storedInstance(withProgram({ health }), journal);
  const error = await refusal(ready(sick, { timeoutMs: 20 }));
  assert.match(error.message, /the agent of "web" answers, but its program is not ready/);
  assert.is(error.facts.next, 'See "windlass logs web"');
});

test("an abort is the caller's, not a failure of the boot", async () => {
  await using instance = await storedInstance();
  const stop = new AbortController();
  const waiting = ready(instance, { signal: stop.signal });
  const reason = new Error("interrupted");
  stop.abort(reason);
  assert.is(await waiting.catch((error) => error), reason);
});

test.run();
