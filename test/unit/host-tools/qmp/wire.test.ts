import fc from "fast-check";
import * as assert from "uvu/assert";
import { HostError } from "../../../../host-tools/errors.ts";
import { decodeQmpMessage, encodeQmpCommand, QmpDecoder } from "../../../../host-tools/qmp/wire.ts";
import { RECORDED_GREETING, RECORDED_SHUTDOWN_EVENT } from "../../../support/qmp-server.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("qmp wire");

const isProtocolError = (error: unknown): boolean =>
  error instanceof HostError && error.code === "WL_QMP_PROTOCOL";

test("reads the greeting of a real QEMU", () => {
  assert.equal(decodeQmpMessage(RECORDED_GREETING), {
    kind: "greeting",
    version: { major: 7, minor: 2, micro: 22 },
    package: "Debian 1:7.2+dfsg-7+deb12u18+b3",
    capabilities: ["oob"],
  });
});

test("reads events with their time in milliseconds", () => {
  assert.equal(decodeQmpMessage(RECORDED_SHUTDOWN_EVENT), {
    kind: "event",
    name: "SHUTDOWN",
    data: { guest: false, reason: "host-qmp-quit" },
    timeMs: 1795219945352.027,
  });
});

test("reads an event without data", () => {
  const line = '{"timestamp":{"seconds":1,"microseconds":0},"event":"STOP"}';
  assert.equal(decodeQmpMessage(line), { kind: "event", name: "STOP", data: {}, timeMs: 1000 });
});

test("keeps the class and description of an error", () => {
  const line =
    '{"id": 2, "error": {"class": "CommandNotFound", "desc": "The command nope has not been found"}}';
  assert.equal(decodeQmpMessage(line), {
    kind: "error",
    id: 2,
    class: "CommandNotFound",
    description: "The command nope has not been found",
  });
});

test("reads an error without id", () => {
  const line = '{"error": {"class": "GenericError", "desc": "JSON parse error"}}';
  assert.is(decodeQmpMessage(line).kind, "error");
});

for (const line of [
  "HTTP/1.1 400 Bad Request",
  "42",
  "null",
  "[]",
  "{}",
  '{"QMP": {"version": {}}}',
  '{"event": "STOP"}',
  '{"error": "no"}',
  '{"return": {}, "id": "text"}',
]) {
  test(`refuses ${line}`, () => {
    assert.throws(() => decodeQmpMessage(line), isProtocolError);
  });
}

test("gives the same messages however the bytes are cut", () => {
  const values = fc.array(fc.string({ unit: "grapheme" }), { maxLength: 8 });
  const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(values, cuts, fc.constantFrom("\n", "\r\n"), (texts, sizes, ending) => {
      const lines = texts.map((value, id) => JSON.stringify({ return: value, id }) + ending);
      const bytes = Buffer.from(lines.join(""));
      const decoder = new QmpDecoder();
      const values: unknown[] = [];
      for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
        const size = sizes[turn % sizes.length] ?? 1;
        for (const message of decoder.push(bytes.subarray(at, at + size))) {
          values.push(message.kind === "return" ? message.value : message);
        }
        at += size;
      }
      assert.equal(values, texts);
    }),
  );
});

test("never throws anything but a protocol error at any bytes", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 5 }), (chunks) => {
      const decoder = new QmpDecoder();
      try {
        for (const chunk of chunks) [...decoder.push(Buffer.from(chunk))];
      } catch (error) {
        assert.ok(isProtocolError(error), String(error));
      }
    }),
  );
});

test("delivers what came before a bad line", () => {
  const seen: string[] = [];
  assert.throws(() => {
    const bytes = Buffer.from('{"return": {}, "id": 1}\ngarbage\n');
    for (const message of new QmpDecoder().push(bytes)) seen.push(message.kind);
  }, isProtocolError);
  assert.equal(seen, ["return"]);
});

test("refuses bytes that are not UTF-8", () => {
  const bytes = Buffer.from([0x22, 0xff, 0x22, 0x0a]);
  assert.throws(() => [...new QmpDecoder().push(bytes)], isProtocolError);
});

test("refuses an endless line as soon as the limit is passed", () => {
  const decoder = new QmpDecoder(10);
  assert.equal([...decoder.push(Buffer.alloc(10, 0x20))], []);
  assert.throws(() => [...decoder.push(Buffer.alloc(1, 0x20))], isProtocolError);
});

test("writes one command a line, without arguments when there are none", () => {
  assert.is(encodeQmpCommand("stop", undefined, 3), '{"execute":"stop","id":3}\n');
  const line = encodeQmpCommand("qom-list", { path: "/a\nb" }, 4);
  assert.is(line.indexOf("\n"), line.length - 1);
  assert.equal(JSON.parse(line), { execute: "qom-list", arguments: { path: "/a\nb" }, id: 4 });
});

test.run();
