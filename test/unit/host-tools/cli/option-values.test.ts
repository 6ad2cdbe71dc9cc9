import * as assert from "uvu/assert";
import {
  environment,
  environmentFile,
  memoryMib,
  restartPolicyOf,
  scratchOf,
  signalOption,
  tailLines,
  timeMs,
} from "../../../../host-tools/cli/option-values.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("cli/option-values");

const refuses = (action: () => unknown, words: string): void => {
  assert.throws(action, (error: { code?: string; message: string }) => {
    assert.is(error.code, "WL_USAGE");
    assert.match(error.message, words);
    return true;
  });
};

test("reads memory in Docker's units, MiB when there is none", () => {
  assert.is(memoryMib("256"), 256);
  assert.is(memoryMib("512m"), 512);
  assert.is(memoryMib("512M"), 512);
  assert.is(memoryMib("1g"), 1024);
  assert.is(memoryMib("1.5GiB"), 1536);
  assert.is(memoryMib("65536k"), 64);
  assert.is(memoryMib("268435456b"), 256);
  for (const text of ["", "lots", "-1", "1t", "0x100"]) refuses(() => memoryMib(text), "no amount");
  refuses(() => memoryMib("8"), "cannot have 8 MiB");
  refuses(() => memoryMib("9999g"), "cannot have");
});

test("reads a scratch disk: a size, and a path where there is one", () => {
  assert.equal(scratchOf("64"), { sizeMib: 64 });
  assert.equal(scratchOf("1g"), { sizeMib: 1024 });
  assert.equal(scratchOf("1TiB"), { sizeMib: 1024 ** 2 });
  assert.equal(scratchOf("1.5g:/data"), { sizeMib: 1536, path: "/data" });
  assert.equal(scratchOf("64:/with: colon/"), { sizeMib: 64, path: "/with: colon" });
  for (const text of ["", "/data", "lots", "1g/data", ":/data"]) {
    refuses(() => scratchOf(text), "is no scratch disk");
  }
  refuses(() => scratchOf("1m"), "cannot have 1 MiB: ask for 16 MiB to 1 TiB");
  refuses(() => scratchOf("2t"), "cannot have");
  refuses(() => scratchOf("1g:"), 'the path "" is not absolute');
  refuses(() => scratchOf("1g:data"), "is not absolute");
  refuses(() => scratchOf("1g:/"), "would hide");
  refuses(() => scratchOf("1g:/a\nb"), "control character");
});

test("reads times: ago, Unix, ISO 8601", () => {
  const now = Date.parse("2026-06-01T12:00:00Z");
  assert.is(timeMs("10m", now), now - 600_000);
  assert.is(timeMs("1h30m", now), now - 5_400_000);
  assert.is(timeMs("1.5s", now), now - 1500);
  assert.is(timeMs("0s", now), now);
  assert.is(timeMs("1767225600", now), 1_767_225_600_000);
  assert.is(timeMs("2026-05-31T12:00:00Z", now), now - 86_400_000);
  for (const text of ["", "soon", "10x", "m", "-5m", "2026-13-45"]) {
    refuses(() => timeMs(text, now), "no time");
  }
});

test("reads signals by name and number", () => {
  assert.is(signalOption("SIGTERM"), "SIGTERM");
  assert.is(signalOption("hup"), "SIGHUP");
  assert.is(signalOption("9"), "SIGKILL");
  assert.is(signalOption("rtmin+3"), "SIGRTMIN+3");
  assert.is(signalOption("37"), "SIGRTMIN+3");
  refuses(() => signalOption("SIGRTMIN+31"), "no signal");
  refuses(() => signalOption("SIGHUB"), "no signal");
  refuses(() => signalOption("999"), "no signal");
});

test("reads variables, values from here, and files", () => {
  const own = { HERE: "yes" };
  assert.equal(environment(["A=1", "B=x=y", "C=", "HERE", "GONE"], own), {
    A: "1",
    B: "x=y",
    C: "",
    HERE: "yes",
  });
  refuses(() => environment(["=1"], own), "no variable");
  const text = '# comment\n\nA=1\r\n  B="quoted"\nHERE\n';
  assert.equal(environmentFile(text, "f", own), { A: "1", B: '"quoted"', HERE: "yes" });
  refuses(() => environmentFile("A=1\nB C=2\n", "vars", own), 'Line 2 of "vars"');
});

test("reads line counts and restart policies", () => {
  assert.is(tailLines(undefined), Number.POSITIVE_INFINITY);
  assert.is(tailLines("all"), Number.POSITIVE_INFINITY);
  assert.is(tailLines("0"), 0);
  refuses(() => tailLines("-3"), "no number of lines");
  assert.equal(restartPolicyOf("on-failure:3"), { policy: "on-failure", maxRetries: 3 });
  refuses(() => restartPolicyOf("sometimes"), "no restart policy");
});

test.run();
