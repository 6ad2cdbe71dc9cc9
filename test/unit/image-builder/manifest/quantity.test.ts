import * as assert from "uvu/assert";
import {
  durationMs,
  programPort,
  restartPolicy,
  sizeMib,
} from "../../../../image-builder/manifest/quantity.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("manifest quantities");

test("reads durations as milliseconds", () => {
  for (const [text, ms] of [
    [250, 250],
    ["500ms", 500],
    ["5s", 5000],
    ["1.5m", 90_000],
    ["1h", 3_600_000],
  ] as const) {
    assert.is(durationMs(text), ms);
  }
  for (const text of ["5", "5 s", "-1s", "s", "1d"]) assert.throws(() => durationMs(text));
  assert.is(durationMs("596h"), 596 * 3_600_000);
  for (const long of ["597h", 2 ** 31]) assert.throws(() => durationMs(long), "24 days");
});

test("reads sizes as MiB, with suffixes in powers of 1024", () => {
  for (const [text, mib] of [
    [256, 256],
    ["256M", 256],
    ["256MiB", 256],
    ["1G", 1024],
    ["1.5GB", 1536],
    ["1TiB", 1_048_576],
  ] as const) {
    assert.is(sizeMib(text), mib);
  }
  for (const text of ["256", "1K", "1P", "G", "1 000M"]) assert.throws(() => sizeMib(text));
});

test("reads ports with and without protocol", () => {
  assert.equal(programPort(3000), { port: 3000, protocol: "tcp" });
  assert.equal(programPort("53/udp"), { port: 53, protocol: "udp" });
  for (const port of [0, 65536, "0", "70000/tcp", "80/sctp", "80:80"]) {
    assert.throws(() => programPort(port), String(port));
  }
});

test("reads restart policies", () => {
  assert.equal(restartPolicy("no"), { policy: "no", maxRetries: 0 });
  assert.equal(restartPolicy("on-failure:3"), { policy: "on-failure", maxRetries: 3 });
  for (const policy of ["never", "always:3", "on-failure:", "no:1"]) {
    assert.throws(() => restartPolicy(policy));
  }
});

test.run();
