/** The tables of what objects take, worked out by hand from the rules of the schemes and OSv's structures. */
import * as assert from "uvu/assert";
import {
  meanWasteBytes,
  type ObjectRules,
  objectFootprintBytes,
} from "../../../allocator-model/object-footprint.ts";
import { suite } from "../../support/suite.ts";

const test = suite("what an object takes");

const RULES: readonly ObjectRules[] = [
  { scheme: "offset-2013" },
  { scheme: "osv" },
  { scheme: "proposal" },
  { scheme: "proposal", largeHeader: "out-of-band" },
];

test("an object takes what the table of the schemes says", () => {
  const table: readonly (readonly [number, ...number[]])[] = [
    [64, 65, 65, 65, 65],
    [1024, 1365.3, 1365.3, 1365.3, 1365.3],
    [1025, 4096, 4096, 2048, 2048],
    [2048, 4096, 4096, 2048, 2048],
    [2049, 8192, 4096, 4096, 4096],
    [4095, 8192, 4096, 4096, 4096],
    [4096, 8192, 4096, 4096, 4096],
    [4097, 12288, 8192, 8192, 8192],
    [8128, 12288, 8192, 8192, 8192],
    [8192, 12288, 12288, 12288, 8192],
  ];
  for (const [size, ...expected] of table) {
    const found = RULES.map((rules) => Math.round(objectFootprintBytes(rules, size) * 10) / 10);
    assert.equal(found, expected, `${size} bytes`);
  }
});

test("on average over a range, it wastes what the other table says", () => {
  const rounded = (from: number, to: number): number[] =>
    RULES.map((rules) => Math.round(meanWasteBytes(rules, from, to)));
  assert.equal(rounded(1025, 2048), [2560, 2560, 512, 512]);
  assert.equal(rounded(2049, 4096), [5120, 1024, 1024, 1024]);
  // Each page of it is as the others.
  assert.equal(rounded(4097, 2 ** 16), [6144, 2112, 2112, 2048]);
});

test.run();
