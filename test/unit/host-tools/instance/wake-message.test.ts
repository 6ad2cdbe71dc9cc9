import fc from "fast-check";
import * as assert from "uvu/assert";
import { NOTHING_BOUND, WAKE_RECORD_BYTES } from "../../../../guest/api/wake-channel.ts";
import {
  HOSTS_BYTES,
  WAKE_ENTROPY_BYTES,
  WAKE_LAYOUT,
  WOKEN_BYTES,
} from "../../../../guest/api/wake-message.ts";
import { instanceDocument } from "../../../../host-tools/instance/document.ts";
import {
  encodeWakeMessage,
  type WakeMessage,
} from "../../../../host-tools/instance/wake-message.ts";
import { suite } from "../../../support/suite.ts";
import { instanceRecord } from "./instance-fixture.ts";

const test = suite("wake message");

const entropy = Uint8Array.from({ length: WAKE_ENTROPY_BYTES }, (_value, index) => index + 1);
const instance = instanceDocument(instanceRecord({ name: "clone_1" }));

function message(changes: Partial<WakeMessage> = {}): WakeMessage {
  return {
    asleepMs: 1500,
    entropy,
    macAddress: "52:57:00:01:02:ff",
    nowMs: 1_700_000_000_000,
    headStartMs: 20.5,
    document: { kind: "resume", parent: null, instance },
    record: { kind: "resume" },
    ...changes,
  };
}

const encode = (changes?: Partial<WakeMessage>): Buffer => encodeWakeMessage(message(changes));

test("each of the kernel's structures is at its place", () => {
  const bytes = encode();
  // struct timex: modes, then `time` at 72 (adjtimex(2) of x86-64).
  assert.is(bytes.readUInt32LE(0), 0x2100);
  assert.is(bytes.readBigInt64LE(72), 1n);
  assert.is(bytes.readBigInt64LE(80), 500_000_000n);
  // struct rand_pool_info: bits, bytes, the bytes.
  assert.is(bytes.readInt32LE(256), WAKE_ENTROPY_BYTES * 8);
  assert.is(bytes.readInt32LE(260), WAKE_ENTROPY_BYTES);
  assert.equal([...bytes.subarray(264, 264 + WAKE_ENTROPY_BYTES)], [...entropy]);
  // struct ifreq: name, family of the address, address.
  assert.is(bytes.toString("latin1", 320, 336), "eth0".padEnd(16, "\0"));
  assert.is(bytes.readUInt16LE(336), 1);
  assert.is(bytes.toString("hex", 338, 344), "5257000102ff");
  // struct timespec.
  assert.is(bytes.readBigInt64LE(464), 0n);
  assert.is(bytes.readBigInt64LE(472), 20_500_000n);
});

test("name, record and document follow", () => {
  const bytes = encode();
  const length = Number(bytes.readBigUInt64LE(WAKE_LAYOUT.hostnameLength));
  const { hostname } = WAKE_LAYOUT;
  assert.is(bytes.toString("utf8", hostname, hostname + length), "clone-1");
  const hosts = bytes.toString("utf8", WAKE_LAYOUT.hosts, WAKE_LAYOUT.hosts + HOSTS_BYTES);
  assert.match(hosts, /^127\.0\.0\.1 localhost clone-1\n::1 localhost +\n$/);
  const line = bytes.toString("utf8", WAKE_LAYOUT.journal, WAKE_LAYOUT.journal + WOKEN_BYTES);
  assert.is(line.indexOf("\n"), line.length - 1);
  const woken = { kind: "phase", timeMs: 1_700_000_000_000, phase: "woken", uptimeMs: 0 };
  assert.equal(JSON.parse(line), woken);
  const record = bytes.toString("utf8", WAKE_LAYOUT.record, WAKE_LAYOUT.document);
  assert.is(record.length, WAKE_RECORD_BYTES);
  assert.equal(JSON.parse(record), { kind: "resume" });
  const document = bytes.toString("utf8", WAKE_LAYOUT.document);
  assert.is(document.indexOf("\n"), document.length - 1);
  assert.equal(JSON.parse(document), { kind: "resume", parent: null, instance });
});

test("nothing is written outside of the fields", () => {
  const bytes = encode();
  const isField = (at: number): boolean =>
    at < 208 ||
    (at >= 256 && at < 256 + 8 + WAKE_ENTROPY_BYTES) ||
    (at >= 320 && at < 360) ||
    (at >= 384 && at < 392 + 64) ||
    (at >= 464 && at < 480) ||
    (at >= 512 && at < 832) ||
    at >= WAKE_LAYOUT.record;
  const stray = bytes.findIndex((byte, at) => byte !== 0 && !isField(at));
  assert.is(stray, -1);
});

test("the clock moves by whole seconds and a positive rest, as adjtimex(2) wants it", () => {
  const limitMs = 100 * 365 * 86_400_000;
  fc.assert(
    fc.property(fc.double({ min: -limitMs, max: limitMs, noNaN: true }), (asleepMs) => {
      const bytes = encode({ asleepMs });
      const [seconds, rest] = [bytes.readBigInt64LE(72), bytes.readBigInt64LE(80)];
      assert.ok(rest >= 0n && rest < 1_000_000_000n);
      assert.is(seconds * 1_000_000_000n + rest, BigInt(Math.round(asleepMs * 1e6)));
    }),
  );
});

test("a clock that was ahead goes back", () => {
  const bytes = encode({ asleepMs: -0.25 });
  assert.is(bytes.readBigInt64LE(72), -1n);
  assert.is(bytes.readBigInt64LE(80), 999_750_000n);
});

test("a host name longer than the kernel's is cut", () => {
  const hostname = "h".repeat(80);
  const bytes = encode({
    document: { kind: "resume", parent: null, instance: { ...instance, hostname } },
  });
  assert.is(bytes.readBigUInt64LE(WAKE_LAYOUT.hostnameLength), 64n);
  assert.is(bytes.toString("utf8", 392, 392 + 64), "h".repeat(64));
  assert.is(bytes[392 + 64], 0);
});

test("a record that binds no variables says so in its first byte", () => {
  const first = (env: Record<string, string>): number | undefined => {
    const identity = { id: "1", name: "n", hostname: "h" };
    const bound = { instance: identity, parent: null, env, args: ["a"] };
    const record: WakeMessage["record"] = { kind: "clone", ...bound };
    return encode({ record })[WAKE_LAYOUT.record];
  };
  assert.is(first({}), NOTHING_BOUND);
  assert.is(first({ TENANT: "1" }), "{".charCodeAt(0));
  assert.is(encode()[WAKE_LAYOUT.record], NOTHING_BOUND);
});

test("a record fills its room, and no more", () => {
  const record = (args: string[]): WakeMessage["record"] => {
    const identity = { id: "1", name: "n", hostname: "h" };
    return { kind: "clone", instance: identity, parent: null, env: {}, args };
  };
  const room = WAKE_RECORD_BYTES - " ".length - JSON.stringify(record([""])).length;
  const full = encode({ record: record(["ä".repeat(room / 2).padEnd(Math.ceil(room / 2), "x")]) });
  const page = full.subarray(WAKE_LAYOUT.record, WAKE_LAYOUT.document);
  assert.is(JSON.parse(page.toString()).args[0].length, Math.ceil(room / 2));
  assert.throws(
    () => encode({ record: record(["x".repeat(room + 1)]) }),
    (error: unknown) => error instanceof RangeError,
  );
});

test("entropy of another length is refused", () => {
  assert.throws(
    () => encode({ entropy: entropy.subarray(1) }),
    (error: unknown) => error instanceof RangeError,
  );
});

test.run();
