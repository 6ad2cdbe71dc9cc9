import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import * as assert from "uvu/assert";
import { LogBuffer } from "../../../../guest/agent/log-buffer.ts";
import type { OutputRecord } from "../../../../guest/api/journal.ts";
import type { LogRecord } from "../../../../guest/api/logs.ts";
import { suite } from "../../../support/suite.ts";
import { asMonitor, testAgent } from "./fixture.ts";

const test = suite("guest/agent/log-buffer");

const record = (text: string, timeMs = 0, stream: OutputRecord["stream"] = "stdout") =>
  ({ kind: "output", timeMs, stream, text }) as const;
const texts = (records: readonly LogRecord[]) => records.map(({ text }) => text);

test("keeps the newest records within its capacity", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 50 }), { maxLength: 200 }), (lines) => {
      const logs = new LogBuffer({ capacityBytes: 1000 });
      for (const line of lines) logs.push(record(line));
      const kept = texts(logs.records());
      assert.ok(logs.sizeBytes <= 1000);
      assert.equal(kept, lines.slice(lines.length - kept.length));
      assert.is(logs.droppedRecords, lines.length - kept.length);
      // The next older record would not have fitted.
      const next = lines[lines.length - kept.length - 1];
      if (next !== undefined) assert.ok(logs.sizeBytes + Buffer.byteLength(next) + 64 > 1000);
    }),
  );
});

test("forgets for ever and stays small", () => {
  const logs = new LogBuffer({ capacityBytes: 10_000 });
  for (let index = 0; index < 20_000; index += 1) logs.push(record(`line ${index}`));
  assert.is(texts(logs.records()).at(-1), "line 19999");
  assert.ok(logs.records().length < 200);
});

test("selects by stream, time and tail", () => {
  const logs = new LogBuffer();
  logs.push(record("a", 1));
  logs.push(record("b", 2, "stderr"));
  logs.push(record("c", 3));
  assert.equal(texts(logs.records({ stream: "stdout" })), ["a", "c"]);
  assert.equal(texts(logs.records({ sinceMs: 2 })), ["b", "c"]);
  assert.equal(texts(logs.records({ tail: 1 })), ["c"]);
  assert.equal(texts(logs.records({ tail: 0 })), []);
  assert.equal(texts(logs.records({ tail: 9 })), ["a", "b", "c"]);
});

test("follows without a gap and without a double", async ({ signal }) => {
  const logs = new LogBuffer();
  logs.push(record("0"));
  const seen: string[] = [];
  for await (const { text } of logs.follow({ tail: 1 }, { signal })) {
    seen.push(text);
    if (seen.length === 5) break;
    logs.push(record(String(seen.length)));
    if (seen.length === 2) logs.push(record("not this", 0, "stderr"));
  }
  assert.equal(seen, ["0", "1", "2", "not this", "3"]);
});

test("ends a follower that is too slow, with a notice", async ({ signal }) => {
  const logs = new LogBuffer({ followerBytes: 1000 });
  const seen: LogRecord[] = [];
  logs.push(record("first"));
  for await (const one of logs.follow({}, { signal })) {
    if (seen.length === 0) for (let i = 0; i < 100; i += 1) logs.push(record(`${i}`));
    seen.push(one);
  }
  assert.is(seen.at(-1)?.kind, "notice");
  assert.equal(texts(seen.slice(0, 3)), ["first", "0", "1"]);
  assert.ok(seen.length < 30);
});

test("stops following when the signal is aborted", async () => {
  const logs = new LogBuffer();
  const controller = new AbortController();
  const ended = (async () => {
    for await (const _ of logs.follow({}, { signal: controller.signal }));
  })();
  controller.abort();
  await ended;
  for await (const _ of logs.follow({}, { signal: controller.signal }));
});

test("never lets a client that does not read make the agent hold more", async () => {
  await using agent = await testAgent();
  await agent.app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = agent.app.server.address() as AddressInfo;
  const sent = request({ port, path: "/v1/logs?follow=true", headers: asMonitor, agent: false });
  sent.end();
  agent.options.logs.push(record("hello"));
  const [reply] = (await once(sent, "response")) as [IncomingMessage];
  const line = `${"x".repeat(60_000)}\n`;
  // Far more than the sockets between the two can hold; a turn of the loop lets them fill.
  for (let index = 0; index < 400; index += 1) {
    agent.options.logs.push(record(line));
    if (index % 4 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const chunks: Buffer[] = [];
  for await (const chunk of reply as AsyncIterable<Buffer>) chunks.push(chunk);
  const lines = Buffer.concat(chunks).toString().trimEnd().split("\n");
  const last = JSON.parse(lines.at(-1) ?? "") as LogRecord;
  assert.is(last.kind, "notice");
  assert.ok(lines.length < 400);
});

test.run();
