/** Our ranges against npm's own implementation, where npm is installed with it. */
import { existsSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import * as fc from "fast-check";
import * as assert from "uvu/assert";
import {
  parseRange,
  parseVersion,
  satisfies,
} from "../../../../image-builder/runtimes/semver-range.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("semver-range (npm's semver as oracle)");

interface Oracle {
  satisfies(version: string, range: string): boolean;
  validRange(range: string): string | null;
  valid(version: string): string | null;
}

function findOracle(): Oracle | undefined {
  const npm = (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((directory) => join(directory, "npm"))
    .find((path) => existsSync(path));
  if (!npm) return undefined;
  const home = dirname(dirname(realpathSync(npm)));
  const path = [join(home, "node_modules/semver"), "/usr/share/nodejs/semver"].find(existsSync);
  return path ? (createRequire(import.meta.url)(path) as Oracle) : undefined;
}

const number = fc.constantFrom("0", "1", "2", "10", "20");
const open = fc.constantFrom("x", "X", "*");
const suffix = fc.constantFrom("", "", "", "-0", "-rc.1", "-alpha", "-1.x", "+build.5", "-rc.1+b");
const version = fc
  .tuple(number, number, number, suffix)
  .map(([a, b, c, d]) => `${a}.${b}.${c}${d}`);
// Numbers behind an open part ("1.x.2") are left out: npm's own versions disagree about them.
const partial = fc.oneof(
  version,
  fc.tuple(number, number).map((parts) => parts.join(".")),
  fc.oneof(number, open),
  fc.array(open, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(".")),
  fc.tuple(number, open).map((parts) => parts.join(".")),
  fc.tuple(number, open, open).map((parts) => parts.join(".")),
  fc.tuple(number, number, open).map((parts) => parts.join(".")),
);
const operator = fc.constantFrom(
  "",
  "",
  "=",
  ">",
  ">=",
  "<",
  "<=",
  "~",
  "~>",
  "^",
  ">= ",
  "^ ",
  "v",
);
const comparator = fc.tuple(operator, partial).map((pair) => pair.join(""));
const alternative = fc.oneof(
  fc.array(comparator, { minLength: 1, maxLength: 3 }).map((all) => all.join(" ")),
  fc.tuple(partial, partial).map((pair) => pair.join(" - ")),
);
const range = fc.array(alternative, { minLength: 1, maxLength: 3 }).map((all) => all.join(" || "));

const oracle = findOracle();
if (oracle) {
  test("agrees on every generated version and range", async () => {
    const property = fc.asyncProperty(version, range, async (text, rangeText) => {
      const parsed = parseVersion(text);
      const parsedRange = parseRange(rangeText);
      assert.is(parsed !== undefined, oracle.valid(text) !== null, `${text} is a version`);
      assert.is(parsedRange !== undefined, oracle.validRange(rangeText) !== null, rangeText);
      if (!parsed || !parsedRange) return;
      // npm shortens an alternative such as ">=0" to "*" and then forgets its neighbours, and with
      // them the prereleases they name; we do not.
      if (oracle.validRange(rangeText) === "*" && parsed.prerelease.length > 0) return;
      const expected = oracle.satisfies(text, rangeText);
      assert.is(satisfies(parsed, parsedRange), expected, `${text} in ${rangeText}`);
    });
    await fc.assert(property, { numRuns: 20_000 });
  });
} else {
  test.skip("npm's semver package is not on this machine", "agrees on every version and range");
}

test.run();
