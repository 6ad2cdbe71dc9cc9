import fc from "fast-check";
import * as assert from "uvu/assert";
import { editDistance, nearestWord } from "../../../../image-builder/manifest/spelling.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("spelling");

test("finds the key that was meant", () => {
  const known = ["name", "entry", "memory", "health", "restart"];
  assert.is(nearestWord("memroy", known), "memory");
  assert.is(nearestWord("Health", known), "health");
  assert.is(nearestWord("restarts", known), "restart");
});

test("guesses nothing when nothing is near", () => {
  assert.is(nearestWord("volumes", ["name", "entry"]), undefined);
  assert.is(nearestWord("x", ["name"]), undefined);
});

test("counts a swap of neighbours as one edit", () => {
  assert.is(editDistance("ab", "ba"), 1);
  assert.is(editDistance("kitten", "sitting"), 3);
  assert.is(editDistance("", "abc"), 3);
});

test("is a symmetric distance bounded by the longer word", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
      const distance = editDistance(a, b);
      assert.is(distance, editDistance(b, a));
      assert.ok(distance <= Math.max(a.length, b.length));
      assert.is(distance === 0, a === b);
    }),
  );
});

test.run();
