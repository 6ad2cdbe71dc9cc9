import fc from "fast-check";
import * as assert from "uvu/assert";
import {
  type BootFacts,
  type BootPhase,
  type BootSpan,
  bootSpans,
  endOfPhase,
  guestMarks,
  type PhaseArrival,
} from "../../../../host-tools/instance/boot-marks.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("instance/boot-marks");

const BEGAN_AT_MS = 1_800_000_000_000;
const timing = { beganAtMs: BEGAN_AT_MS, executedMs: 20, monitorMs: 60 };

/** @param zeroMs when the guest's clock began, from the begin of the start */
function arrival(
  phase: PhaseArrival["phase"],
  uptimeMs: number,
  { zeroMs = 100, lateMs = 0 } = {},
): PhaseArrival {
  return { phase, uptimeMs, arrivedAtMs: BEGAN_AT_MS + zeroMs + uptimeMs + lateMs };
}

const booted: BootFacts = {
  timing,
  arrivals: [
    arrival("init", 1_800, { lateMs: 7 }),
    arrival("program-started", 2_000),
    arrival("program-listening", 2_600, { lateMs: 3 }),
    arrival("ready", 2_700, { lateMs: 3 }),
    arrival("agent-listening", 3_500),
  ],
  guest: { firstStageMs: 900, agentMs: 1_100 },
  answeredAtMs: BEGAN_AT_MS + 3_650,
};

const rows = (spans: readonly BootSpan[]): [BootPhase, number, number][] =>
  spans.map(({ phase, beginMs, endMs }) => [phase, beginMs, endMs]);

test("puts a boot's marks on one line, the guest's by the arrival of its records", () => {
  assert.equal(rows(bootSpans(booted)), [
    ["prepare", 0, 20],
    ["qemu", 20, 60],
    ["firmware", 60, 100],
    ["kernel", 100, 1_000],
    ["init", 1_000, 1_200],
    ["agent", 1_200, 2_100],
    ["program", 2_100, 2_800],
    ["rest-api", 2_700, 3_600],
    ["answer", 3_600, 3_650],
  ]);
});

test("a program that was started before the agent's code ran: nothing of the agent is before it", () => {
  const [init, , ...others] = booted.arrivals;
  if (!init) throw new Error("there is one");
  const arrivals = [init, arrival("program-started", 1_200), ...others];
  assert.equal(rows(bootSpans({ ...booted, arrivals })).slice(3), [
    ["kernel", 100, 1_000],
    ["init", 1_000, 1_300],
    ["program", 1_300, 2_800],
    ["rest-api", 2_700, 3_600],
    ["answer", 3_600, 3_650],
  ]);
  const { guest: _, answeredAtMs: __, ...told } = booted;
  assert.equal(rows(bootSpans({ ...told, arrivals: arrivals.slice(0, 2) })).slice(3), [
    ["boot", 100, 1_300],
  ]);
});

test("a guest that cannot be asked any more: what the journal told is there", () => {
  const { guest: _, answeredAtMs: __, ...told } = booted;
  const ended = { ...told, arrivals: told.arrivals.slice(0, 2) };
  assert.equal(rows(bootSpans(ended)).slice(2), [
    ["firmware", 60, 100],
    ["boot", 100, 1_900],
    ["agent", 1_900, 2_100],
  ]);
  assert.equal(rows(bootSpans({ timing, arrivals: [] })), [
    ["prepare", 0, 20],
    ["qemu", 20, 60],
  ]);
});

test("a clone is loaded and wakes; what its template's boot took is not its own", () => {
  const facts = {
    timing: { ...timing, loadedMs: 70 },
    arrivals: [{ phase: "woken", uptimeMs: 9_000_000, arrivedAtMs: BEGAN_AT_MS + 250 }] as const,
    answeredAtMs: BEGAN_AT_MS + 300,
  };
  assert.equal(rows(bootSpans(facts)), [
    ["prepare", 0, 20],
    ["qemu", 20, 60],
    ["load", 60, 70],
    ["wake", 70, 250],
    ["answer", 250, 300],
  ]);
});

test("no phase ends before it begins, whatever the guest claims", () => {
  const ms = fc.integer({ min: -10_000, max: 10_000 });
  const claims = fc.record({ uptimes: fc.array(ms, { maxLength: 5 }), first: ms, agent: ms });
  fc.assert(
    fc.property(claims, ({ uptimes, first, agent }) => {
      const phases = booted.arrivals.map(({ phase }) => phase);
      const arrivals = uptimes.map((uptimeMs, index) => ({
        ...{ phase: phases[index] ?? "ready", uptimeMs, arrivedAtMs: BEGAN_AT_MS + 500 },
      }));
      const guest = { firstStageMs: first, agentMs: agent };
      const spans = bootSpans({ ...booted, arrivals, guest });
      for (const { phase, beginMs, endMs } of spans) assert.ok(beginMs <= endMs, phase);
      const begins = spans.map(({ beginMs }) => beginMs);
      assert.equal(
        begins,
        [...begins].sort((a, b) => a - b),
      );
    }),
  );
});

test("says when a phase had ended", () => {
  assert.is(endOfPhase(bootSpans(booted), "init"), 1_200);
  assert.is(endOfPhase(bootSpans(booted), "wake"), undefined);
});

const LOG = `[    0.000000] Linux version 6.1.0
[    1.234567] Run /init as init process
[    1.300000] overlayfs: mounted`;
const stat = (name: string): string =>
  `70 (${name}) S 1 70 70 0 -1 4194560 100 0 0 0 50 10 0 0 20 0 11 0 145 1000000 9000 0`;

test("reads kernel log and process table", () => {
  assert.equal(guestMarks(LOG, stat("node")), { firstStageMs: 1_234.567, agentMs: 1_450 });
  assert.equal(guestMarks(LOG, stat("a ) b)")), { firstStageMs: 1_234.567, agentMs: 1_450 });
});

test("a log whose begin was overwritten, or a process that is gone, tells nothing", () => {
  assert.is(guestMarks("[ 9.0] eth0: link up", stat("node")), undefined);
  assert.is(guestMarks(LOG, ""), undefined);
  assert.is(guestMarks("", ""), undefined);
});

test.run();
