import * as assert from "uvu/assert";
import { settled } from "../../../image-builder/settled.ts";
import { suite } from "../../support/suite.ts";

const test = suite("settled");

test("gives what each gave", async () => {
  assert.equal(await settled([Promise.resolve(1), Promise.resolve("two")]), [1, "two"]);
});

test("throws the first failure of the list, after the last has ended", async () => {
  let endedLast = false;
  const late = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
    endedLast = true;
    throw new Error("late");
  });
  const early = Promise.reject(new Error("early"));
  const error = await settled([early, late]).catch((caught) => caught);
  assert.is(error.message, "early");
  assert.ok(endedLast);
});

test.run();
