import * as assert from "uvu/assert";
import type { JournalRecord } from "../../../../guest/api/journal.ts";
import { LastLines, linesOf, remarkOf } from "../../../../host-tools/cli/journal-lines.ts";
import { stepNote } from "../../../../host-tools/cli/stop-note.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("cli/journal-lines");

const output = (text: string): JournalRecord => ({
  kind: "output",
  timeMs: 1,
  stream: "stdout",
  text,
});

test("cuts chunks into lines, line ends kept", () => {
  const texts = (text: string): string[] => linesOf(output(text)).map((line) => line.text);
  assert.equal(texts("a\n\nb\n"), ["a\n", "\n", "b\n"]);
  assert.equal(texts("no end"), ["no end"]);
  assert.equal(texts(""), []);
  assert.equal(linesOf({ kind: "phase", timeMs: 1, phase: "ready", uptimeMs: 1 }), []);
});

test("keeps the last lines only", () => {
  const last = new LastLines(2);
  for (let number = 0; number < 5000; number += 1) last.add(linesOf(output(`${number}\n`)));
  assert.equal(
    last.lines().map(({ text }) => text),
    ["4998\n", "4999\n"],
  );
  const none = new LastLines(0);
  none.add(linesOf(output("x\n")));
  assert.equal(none.lines(), []);
  const all = new LastLines(Number.POSITIVE_INFINITY);
  all.add(linesOf(output("x\ny\n")));
  assert.is(all.lines().length, 2);
});

test("takes more lines in one record than a call takes arguments", () => {
  const last = new LastLines(1);
  last.add(linesOf(output("\n".repeat(1_000_000))));
  assert.is(last.lines().length, 1);
});

test("remarks on warnings and on ends with a reason", () => {
  assert.is(remarkOf({ kind: "notice", timeMs: 1, level: "warning", text: "slow" }), "slow");
  assert.is(remarkOf({ kind: "notice", timeMs: 1, level: "info", text: "fine" }), undefined);
  const exit = { kind: "exit", timeMs: 1, exitCode: 1, signal: null, final: true } as const;
  assert.is(remarkOf({ ...exit, reason: "Out of memory" }), "Out of memory");
  assert.is(remarkOf({ ...exit, reason: null }), undefined);
});

test("tells of the steps of a stop only when it had to go further", () => {
  const usual = { step: "program", ended: true, durationMs: 5 } as const;
  assert.is(stepNote(usual), undefined);
  assert.match(
    stepNote({ ...usual, ended: false, problem: "no answer" }) ?? "",
    "no answer (5 ms)",
  );
  assert.match(stepNote({ step: "SIGKILL", ended: true, durationMs: 5 }) ?? "", "ended it");
});

test.run();
