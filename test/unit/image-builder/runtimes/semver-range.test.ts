import * as fc from "fast-check";
import * as assert from "uvu/assert";
import {
  compareVersions,
  formatVersion,
  highestSatisfying,
  parseRange,
  parseVersion,
  satisfies,
  type Version,
} from "../../../../image-builder/runtimes/semver-range.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("semver-range");

function matches(version: string, range: string): boolean {
  const parsed = parseVersion(version);
  const parsedRange = parseRange(range);
  if (!parsed || !parsedRange) throw new Error(`cannot parse ${version} or ${range}`);
  return satisfies(parsed, parsedRange);
}

const part = fc.oneof(fc.nat({ max: 3 }), fc.nat({ max: 40 }));
const identifier = fc.constantFrom<string | number>("alpha", "rc", "x-y", 0, 1, 12);
const prerelease = fc.oneof(fc.constant([]), fc.array(identifier, { maxLength: 3 }));
const version = fc
  .tuple(part, part, part, prerelease)
  .map(([major, minor, patch, suffix]): Version => ({ major, minor, patch, prerelease: suffix }));
const release = version.map((value): Version => ({ ...value, prerelease: [] }));

test("knows every form of range that package.json uses", () => {
  const table: [range: string, inside: string[], outside: string[]][] = [
    ["", ["0.0.1", "26.1.0"], ["20.0.0-rc.1"]],
    ["*", ["0.0.1", "26.1.0"], ["20.0.0-rc.1"]],
    ["20", ["20.0.0", "20.99.1"], ["19.9.9", "21.0.0", "20.0.0-rc.1"]],
    ["v20.x", ["20.0.0", "20.99.1"], ["21.0.0"]],
    ["20.1.*", ["20.1.0", "20.1.7"], ["20.0.9", "20.2.0"]],
    ["=20.1.2", ["20.1.2"], ["20.1.3"]],
    [">=18.17", ["18.17.0", "20.0.0"], ["18.16.9"]],
    [">= 18.17.0", ["18.17.0"], ["18.16.9"]],
    [">18", ["19.0.0"], ["18.9.9"]],
    ["<22", ["21.9.9"], ["22.0.0", "22.0.0-rc.1"]],
    ["<=22", ["22.9.9"], ["23.0.0"]],
    ["<=22.1.0", ["22.1.0"], ["22.1.1"]],
    ["^20.3.1", ["20.3.1", "20.9.0"], ["20.3.0", "21.0.0"]],
    ["^0.2.3", ["0.2.3", "0.2.9"], ["0.3.0", "0.2.2"]],
    ["^0.0.3", ["0.0.3"], ["0.0.4"]],
    ["^0.0", ["0.0.0", "0.0.9"], ["0.1.0"]],
    ["^0", ["0.9.9"], ["1.0.0"]],
    ["~20.3.1", ["20.3.1", "20.3.9"], ["20.4.0"]],
    ["~20", ["20.9.9"], ["21.0.0"]],
    ["~>20.3", ["20.3.9"], ["20.4.0"]],
    ["18 - 20.4", ["18.0.0", "20.4.9"], ["17.9.9", "20.5.0"]],
    ["18.1.0 - 20.4.3", ["18.1.0", "20.4.3"], ["20.4.4"]],
    ["^18.19.0 || >=20.6.0 <22 || 24", ["18.20.0", "21.0.0", "24.1.0"], ["18.18.0", "22.0.0"]],
    [">=20.0.0-rc.1", ["20.0.0-rc.1", "20.0.0-rc.2", "20.0.0"], ["21.0.0-rc.1", "20.0.0-alpha"]],
    [">*", [], ["0.0.0", "99.0.0"]],
  ];
  for (const [range, inside, outside] of table) {
    for (const text of inside) assert.ok(matches(text, range), `${text} in ${range}`);
    for (const text of outside) assert.not.ok(matches(text, range), `${text} not in ${range}`);
  }
});

test("refuses what is no version and no range", () => {
  for (const text of ["", "1", "1.2", "01.2.3", "1.2.3-", "1.2.3-01", "a.b.c", "1.2.3.4"]) {
    assert.is(parseVersion(text), undefined, text);
  }
  for (const text of [
    "lts/*",
    "latest",
    "node 20",
    "20 -",
    "- 20",
    "^",
    ">=<20",
    "1.2.3.4",
    "20.x.1",
  ]) {
    assert.is(parseRange(text), undefined, text);
  }
  assert.is(parseVersion(`1.2.${"9".repeat(16)}`), undefined, "beyond exact numbers");
  assert.is(parseRange("1".repeat(300)), undefined, "too long");
});

test("orders prereleases as semver.org lists them", () => {
  const ordered = ["alpha", "alpha.1", "alpha.beta", "beta", "beta.2", "beta.11", "rc.1"];
  const versions = [...ordered.map((suffix) => `1.0.0-${suffix}`), "1.0.0"].map((text) => {
    const parsed = parseVersion(text);
    if (!parsed) throw new Error(text);
    return parsed;
  });
  const shuffled = versions.toReversed().sort(compareVersions);
  assert.equal(shuffled.map(formatVersion), versions.map(formatVersion));
});

test("the order is total: reflexive, antisymmetric, transitive", async () => {
  const property = fc.asyncProperty(version, version, version, async (a, b, c) => {
    assert.is(compareVersions(a, a), 0);
    assert.is(Math.sign(compareVersions(a, b)), 0 - Math.sign(compareVersions(b, a)));
    const [low, middle, high] = [a, b, c].sort(compareVersions);
    if (low && middle && high) assert.ok(compareVersions(low, high) <= 0);
  });
  await fc.assert(property);
});

test("a version survives being written and read", async () => {
  const property = fc.asyncProperty(version, async (value) => {
    assert.equal(parseVersion(formatVersion(value)), value);
  });
  await fc.assert(property);
});

test("^ and ~ mean the intervals they stand for", async () => {
  const property = fc.asyncProperty(release, release, async (bound, candidate) => {
    const text = formatVersion(bound);
    const isNotBelow = compareVersions(candidate, bound) >= 0;
    const sameMinor = candidate.major === bound.major && candidate.minor === bound.minor;
    assert.is(matches(formatVersion(candidate), `~${text}`), isNotBelow && sameMinor);
    const sameLeftmost =
      bound.major > 0
        ? candidate.major === bound.major
        : bound.minor > 0
          ? sameMinor
          : sameMinor && candidate.patch === bound.patch;
    assert.is(matches(formatVersion(candidate), `^${text}`), isNotBelow && sameLeftmost);
  });
  await fc.assert(property, { numRuns: 1000 });
});

test("the highest satisfying version is inside, and no other inside is higher", async () => {
  const property = fc.asyncProperty(fc.array(version), release, async (versions, bound) => {
    const range = parseRange(`>=${formatVersion(bound)}`) ?? [];
    const highest = highestSatisfying(versions, range);
    const inside = versions.filter((candidate) => satisfies(candidate, range));
    assert.is(highest === undefined, inside.length === 0);
    if (highest) assert.ok(inside.every((other) => compareVersions(other, highest) <= 0));
  });
  await fc.assert(property);
});

test.run();
