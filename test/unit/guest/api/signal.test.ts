import { constants } from "node:os";
import * as assert from "uvu/assert";
import { SIGNAL_PATTERN, signalName, signalNumber } from "../../../../guest/api/signal.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("signals");

test("every number from 1 to 64 but the C library's own two has a name that gives the number", () => {
  for (let number = 1; number <= 64; number += 1) {
    const name = signalName(number);
    if (number === 32 || number === 33) assert.is(name, undefined);
    else {
      assert.match(name ?? "", new RegExp(SIGNAL_PATTERN));
      assert.is(signalNumber(name ?? ""), number);
    }
  }
  assert.is(signalName(0), undefined);
  assert.is(signalName(65), undefined);
});

test("real-time signals count from either end", () => {
  const numbers = { SIGRTMIN: 34, "SIGRTMIN+30": 64, SIGRTMAX: 64, "SIGRTMAX-30": 34 };
  for (const [name, number] of Object.entries(numbers)) assert.is(signalNumber(name), number, name);
  assert.is(signalNumber("SIGHUP"), constants.signals.SIGHUP);
});

test("what is no signal has no number", () => {
  const names = ["", "HUP", "SIGHUB", "SIGRTMIN+31", "SIGRTMAX-31", "SIGRTMIN-1", "SIGRTMAX+1"];
  for (const name of [...names, "constructor", "SIGRTMIN+", "SIGRTMIN+ 3"]) {
    assert.is(signalNumber(name), undefined, name);
  }
});

test.run();
