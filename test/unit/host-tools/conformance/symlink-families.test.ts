import assert from "node:assert/strict";
import {
  assertionsOf,
  readOnlyFamilies,
  writableFamilies,
} from "../../../../host-tools/conformance/symlink/families.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("symlink suite: families");
const families = [...writableFamilies, ...readOnlyFamilies];
const assertions = families.flatMap((family) => assertionsOf(family));

test("every family has the count of numbers that it says", () => {
  const troubled = assertions.filter(({ id }) => id.endsWith(".script"));
  assert.deepEqual(troubled, []);
});

test("every assertion has an id of its own, an expected answer and a source", () => {
  assert.equal(new Set(assertions.map(({ id }) => id)).size, assertions.length);
  const vague = assertions.filter(({ text, source }) => text === "" || source === "");
  assert.deepEqual(vague, []);
});

test("there is a family for each rule and each file of pjdfstest's symlink family", () => {
  const ids = new Set(families.map(({ id }) => id));
  const rules = Array.from({ length: 18 }, (_, index) => `S${index + 1}`);
  const files = "00 01 02 03 04 05 06 07 08 12".split(" ").map((number) => `symlink/${number}`);
  assert.deepEqual(
    [...rules, ...files].filter((id) => !ids.has(id)),
    [],
  );
});

test.run();
