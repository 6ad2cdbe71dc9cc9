import { execFileSync } from "node:child_process";
import fc from "fast-check";
import * as assert from "uvu/assert";
import { splitCommandLine } from "../../../../image-builder/manifest/command-line.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("command line");

test("splits as a shell does", () => {
  assert.equal(splitCommandLine(`node server.js --name "a b" 'c"d' e\\ f ""`), [
    "node",
    "server.js",
    "--name",
    "a b",
    'c"d',
    "e f",
    "",
  ]);
  assert.equal(splitCommandLine("  "), []);
  assert.equal(splitCommandLine("a#b --x=~"), ["a#b", "--x=~"]);
});

test("refuses what would need a shell", () => {
  for (const line of [
    "a && b",
    "a | b",
    "echo $HOME",
    "ls *.js",
    "a > b",
    "a; b",
    'e "$X"',
    "`a`",
  ]) {
    assert.throws(() => splitCommandLine(line), /shell/);
  }
  assert.throws(() => splitCommandLine('a "b'), /stays open/);
  assert.throws(() => splitCommandLine("a \\"), /backslash/);
});

test("agrees with sh on quoted words", () => {
  const word = fc.string({ minLength: 0, maxLength: 6, unit: fc.constantFrom(..."ab \"\\'$*#") });
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), (words) => {
      const line = words.map((item) => `'${item.replaceAll("'", `'\\''`)}'`).join(" ");
      assert.equal(splitCommandLine(line), words);
      const printed = execFileSync("/bin/sh", ["-c", `printf '%s\\0' ${line}`], {
        encoding: "utf8",
      });
      assert.equal(printed.split("\0").slice(0, -1), words);
    }),
    { numRuns: 25 },
  );
});

test.run();
