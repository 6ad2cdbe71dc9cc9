import fc from "fast-check";
import * as assert from "uvu/assert";
import { bootchartOf, bootchartText } from "../../../../host-tools/cli/bootchart.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("cli/bootchart");

const span = (phase: "qemu" | "init" | "rest-api" | "answer", beginMs: number, endMs: number) => ({
  ...{ phase, beginMs, endMs },
});

test("draws every phase where it was, as long as it took", () => {
  const spans = [
    span("qemu", 0, 500.4),
    span("init", 500.4, 2_000),
    span("rest-api", 1_000, 2_000),
  ];
  const lines = bootchartText(bootchartOf(spans)).split("\n");
  // 80 columns less 17 for the label, 6 for each time, and two between them.
  const columns = 45;
  const bar = (from: number, to: number): string =>
    " ".repeat(Math.round(columns * from)) +
    "#".repeat(Math.round(columns * to) - Math.round(columns * from));
  assert.equal(lines, [
    "phase               begin   takes",
    `QEMU                 0 ms  500 ms  ${bar(0, 0.25)}`,
    `first stage, init  500 ms   1.5 s  ${bar(0.25, 1)}`,
    `REST API            1.0 s   1.0 s  ${bar(0.5, 1)}`,
    "in all                      2.0 s",
    "",
  ]);
});

test("rounds what scripts get to milliseconds", () => {
  assert.equal(bootchartOf([span("qemu", 0, 12.6), span("init", 12.6, 99.4)]), {
    totalMs: 99,
    spans: [span("qemu", 0, 13), span("init", 13, 99)],
  });
  assert.equal(bootchartOf([]), { totalMs: 0, spans: [] });
});

test("says that there is nothing to show", () => {
  assert.match(bootchartText(bootchartOf([])), /no time line/);
  assert.not.match(bootchartText(bootchartOf([span("qemu", 0, 0)])), /#|NaN/);
});

test("is never wider than 80 columns, and shows a phase that took any time", () => {
  const ms = fc.integer({ min: 0, max: 10_000_000 });
  fc.assert(
    fc.property(fc.array(fc.tuple(ms, ms), { minLength: 1, maxLength: 8 }), (pairs) => {
      const spans = pairs.map(([a, b]) => span("init", Math.min(a, b), Math.max(a, b)));
      const lines = bootchartText(bootchartOf(spans)).trimEnd().split("\n");
      for (const line of lines) assert.ok(line.length <= 80, line);
      for (const [index, { beginMs, endMs }] of spans.entries()) {
        assert.is(lines[index + 1]?.includes("#"), endMs > beginMs);
      }
    }),
  );
});

test.run();
