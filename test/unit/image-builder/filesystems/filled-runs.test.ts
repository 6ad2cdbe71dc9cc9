/** Runs: together with the zeros between them they are the bytes again. */
import fc from "fast-check";
import * as assert from "uvu/assert";
import { filledRuns, HOLE_UNIT_BYTES } from "../../../../image-builder/filesystems/filled-runs.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("holes");

test("runs are everything but whole units of zeros", () => {
  const unit = fc.constantFrom(0, 0, 1);
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 6 }), fc.nat(HOLE_UNIT_BYTES - 1), (units, rest) => {
      const bytes = Buffer.alloc(units.length * HOLE_UNIT_BYTES + rest);
      // The last byte of a unit: the whole of it must be looked at.
      for (const [index, filled] of units.entries()) {
        bytes[(index + 1) * HOLE_UNIT_BYTES - 1] = filled;
      }
      const again = Buffer.alloc(bytes.length);
      let runBytes = 0;
      for (const run of filledRuns(bytes)) {
        again.set(run.bytes, run.offsetBytes);
        runBytes += run.bytes.length;
      }
      assert.ok(again.equals(bytes));
      assert.is(runBytes, units.filter((one) => one === 1).length * HOLE_UNIT_BYTES + rest);
    }),
    { numRuns: 50 },
  );
});

test.run();
