import fc from "fast-check";
import * as assert from "uvu/assert";
import { printableLine, printableText } from "../../../../host-tools/cli/printable-text.ts";
import {
  agoText,
  bytesText,
  elapsedText,
  percentText,
} from "../../../../host-tools/cli/quantity-text.ts";
import { shortened, tableText } from "../../../../host-tools/cli/table-text.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("cli/texts");

test("writes bytes in binary units", () => {
  assert.is(bytesText(0), "0 B");
  assert.is(bytesText(1023), "1023 B");
  assert.is(bytesText(1024), "1.0 KiB");
  assert.is(bytesText(1536), "1.5 KiB");
  assert.is(bytesText(1024 ** 2 - 1), "1.0 MiB");
  assert.is(bytesText(5 * 1024 ** 4), "5.0 TiB");
});

test("writes how long something took", () => {
  assert.is(elapsedText(0.4), "0 ms");
  assert.is(elapsedText(999.6), "1.0 s");
  assert.is(elapsedText(12_345), "12.3 s");
  assert.is(elapsedText(59_960), "1 min 0 s");
  assert.is(elapsedText(125_000), "2 min 5 s");
});

test("writes how long ago, in Docker's words", () => {
  const second = 1000;
  const cases: [number, string][] = [
    [0, "Less than a second"],
    [second, "1 second"],
    [59 * second, "59 seconds"],
    [60 * second, "About a minute"],
    [120 * second, "2 minutes"],
    [3600 * second, "About an hour"],
    [2 * 3600 * second, "2 hours"],
    [48 * 3600 * second, "2 days"],
    [14 * 86_400 * second, "2 weeks"],
    [90 * 86_400 * second, "3 months"],
    [800 * 86_400 * second, "2 years"],
  ];
  for (const [ms, text] of cases) assert.is(agoText(ms), text);
});

test("never writes more than a unit's worth", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 40 }), (value) => {
      assert.ok(Number.parseFloat(bytesText(value)) < 1024 || bytesText(value).endsWith("TiB"));
      assert.not.match(elapsedText(value), /\b60(\.0)? s$/);
      assert.not.match(agoText(value), /\b(60 (seconds|minutes)|[01] (minutes|hours|days))\b/);
    }),
  );
});

test("writes shares in percent", () => {
  assert.is(percentText(0.1234), "12.3%");
  assert.is(percentText(2), "200.0%");
});

test("aligns columns and leaves no blanks at the end", () => {
  const text = tableText(
    ["A", "LONG"],
    [
      ["xxxx", "1"],
      ["y", ""],
    ],
  );
  assert.is(text, "A      LONG\nxxxx   1\ny\n");
});

test("makes cells printable", () => {
  assert.match(tableText(["A"], [["\x1b[2J\n\u202e"]]), "\\x1b[2J\\n\\u202e");
});

test("shortens with a mark", () => {
  assert.is(shortened("abcdef", 6), "abcdef");
  assert.is(shortened("abcdefg", 6), "abcde…");
});

test("lets no control character through", () => {
  const nasty = fc.string({
    unit: fc.constantFrom("\x00", "\x1b", "\x7f", "\x9b", "\u2028", "a", "\n"),
  });
  fc.assert(
    fc.property(nasty, (text) => {
      assert.not.match(printableLine(text), /[\x00-\x1f\x7f-\x9f\u2028]/);
      assert.not.match(printableText(text), /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028]/);
    }),
  );
  assert.is(printableText("a\tb\nc"), "a\tb\nc");
  assert.is(printableLine("grün 🦊"), "grün 🦊");
});

test.run();
