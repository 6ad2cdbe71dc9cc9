import * as assert from "uvu/assert";
import { Random } from "../../../../allocator-model/workloads/random.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("random numbers");

const DRAWS = 100_000;

test("the same seed gives the same numbers, another seed others", () => {
  const draw = (seed: number): number[] => {
    const random = new Random(seed);
    return Array.from({ length: 8 }, () => random.below(1000));
  };
  assert.equal(draw(1), draw(1));
  assert.not.equal(draw(1), draw(2));
});

test("splitmix32 of the seed 0 begins as it always did", () => {
  const random = new Random(0);
  const first = Array.from({ length: 3 }, () => random.below(2 ** 32));
  assert.equal(first, [1_684_164_658, 3_653_269_916, 2_939_563_536]);
});

test("every number below the limit comes about equally often", () => {
  const random = new Random(7);
  const counts = new Array(10).fill(0);
  for (let draw = 0; draw < DRAWS; draw += 1) counts[random.below(10)] += 1;
  for (const count of counts) assert.ok(Math.abs(count - DRAWS / 10) < DRAWS / 200, `${counts}`);
});

test("both ends of a range come, nothing outside of it", () => {
  const random = new Random(3);
  const seen = new Set(Array.from({ length: 1000 }, () => random.between(5, 8)));
  assert.equal([...seen].sort(), [5, 6, 7, 8]);
});

test("a chance of 30 percent is one", () => {
  const random = new Random(9);
  let count = 0;
  for (let draw = 0; draw < DRAWS; draw += 1) if (random.chance(30)) count += 1;
  assert.ok(Math.abs(count / DRAWS - 0.3) < 0.01, `${count}`);
});

test.run();
