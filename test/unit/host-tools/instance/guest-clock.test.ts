import fc from "fast-check";
import * as assert from "uvu/assert";
import type { GuestClient } from "../../../../host-tools/guest-client/guest-client.ts";
import { clockError, setClockRight } from "../../../../host-tools/instance/guest-clock.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("guest clock");

test("a clock that is right within what can be told is left alone", () => {
  fc.assert(
    fc.property(fc.nat(10_000), fc.nat(10_000), fc.integer({ min: -50, max: 50 }), (a, b, off) => {
      const [sentMs, repliedMs] = [1e12, 1e12 + a + b];
      assert.is(clockError({ sentMs, repliedMs, timeMs: sentMs + a + off }), 0);
    }),
  );
});

test("a clock that is wrong is right afterwards, to half the time that asking takes", () => {
  fc.assert(
    fc.property(fc.nat(500), fc.nat(500), fc.integer({ min: 1_100, max: 1e12 }), (a, b, off) => {
      for (const wrong of [off, -off]) {
        const [sentMs, repliedMs] = [1e12, 1e12 + a + b];
        const error = clockError({ sentMs, repliedMs, timeMs: sentMs + a + wrong });
        assert.ok(Math.abs(error + wrong) <= (a + b) / 2);
      }
    }),
  );
});

test("a clock that was off before is set right, too", async () => {
  let offMs = -800;
  const moved: number[] = [];
  const call = async (_id: string, { body }: { body: { milliseconds: number } }) => {
    moved.push(body.milliseconds);
    offMs += body.milliseconds - (moved.length === 1 ? 5_000 : 0); // It stood still before.
    return { timeMs: Date.now() + offMs };
  };
  await setClockRight({ call } as unknown as GuestClient, 5_000, {});
  assert.is(moved.length, 2);
  assert.ok(Math.abs(offMs) < 100, String(offMs));
});

test.run();
