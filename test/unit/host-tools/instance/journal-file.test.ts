import { appendFile, open, readFile, writeFile } from "node:fs/promises";
import fc from "fast-check";
import * as assert from "uvu/assert";
import type { JournalRecord } from "../../../../guest/api/journal.ts";
import {
  finalExit,
  followJournal,
  readJournal,
} from "../../../../host-tools/instance/journal-file.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";
import { exit, journalLine, phase } from "./instance-fixture.ts";

const test = suite("journal file");

const output = (text: string): JournalRecord => ({
  kind: "output",
  timeMs: 1,
  stream: "stdout",
  text,
});

async function collect(records: AsyncIterable<JournalRecord>): Promise<JournalRecord[]> {
  const found: JournalRecord[] = [];
  for await (const record of records) found.push(record);
  return found;
}

/** The records of a journal with that content. */
async function recordsIn(content: string | Uint8Array, fromByte = 0): Promise<JournalRecord[]> {
  await using folder = await temporaryFolder();
  await writeFile(folder.file("journal"), content);
  return await collect(readJournal(folder.file("journal"), fromByte));
}

test("every record that was written is read", async () => {
  const text = fc.array(fc.string({ unit: "grapheme", maxLength: 50 }), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(text, async (texts) => {
      const records = texts.map(output);
      assert.equal(await recordsIn(records.map(journalLine).join("")), records);
    }),
    { numRuns: 40 },
  );
});

test("a record longer than a read is read whole", async () => {
  const records = [output("x".repeat(300_000)), output("ü".repeat(100_000)), exit(0)];
  assert.equal(await recordsIn(records.map(journalLine).join("")), records);
});

test("reading can begin at any record", async () => {
  const first = journalLine(output("one"));
  assert.equal(await recordsIn(first + journalLine(output("two")), first.length), [output("two")]);
  assert.equal(await recordsIn(first, 1_000_000), []);
});

test("lines that are no records are passed over", async () => {
  const hostile = [
    "",
    "text",
    "null",
    "[]",
    "{}",
    '{"kind":"output","timeMs":1,"stream":"stdin","text":"x"}',
    '{"kind":"output","timeMs":"1","stream":"stdout","text":"x"}',
    '{"kind":"output","timeMs":1,"stream":"stdout","text":{}}',
    '{"kind":"exit","timeMs":1,"exitCode":1.5,"signal":null,"reason":null,"final":true}',
    '{"kind":"exit","timeMs":1,"exitCode":256,"signal":null,"reason":null,"final":true}',
    '{"kind":"exit","timeMs":1,"exitCode":1,"signal":9,"reason":null,"final":true}',
    '{"kind":"exit","timeMs":1,"exitCode":1,"signal":null,"reason":{},"final":true}',
    '{"kind":"exit","timeMs":1e300,"exitCode":1,"signal":null,"reason":null,"final":true}',
    '{"kind":"exit","timeMs":1e999,"exitCode":1,"signal":null,"reason":null,"final":true}',
    '{"kind":"exit","timeMs":1,"exitCode":1,"signal":null,"reason":null,"final":"yes"}',
    '{"kind":"phase","timeMs":1,"phase":"ready","uptimeMs":null}',
    '{"kind":"other","timeMs":1}',
    '{"__proto__":{"kind":"notice"},"timeMs":1}',
  ];
  const lines = hostile.map((line) => `${line}\n`).join(journalLine(output("good")));
  assert.equal(await recordsIn(lines), Array(hostile.length - 1).fill(output("good")));
});

test("any bytes at all give records or nothing", async () => {
  const good = Buffer.from(journalLine(output("good")));
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
      const found = await recordsIn(Buffer.concat([bytes, Buffer.from("\n"), good]));
      assert.equal(found.at(-1), output("good"));
    }),
    { numRuns: 40 },
  );
});

test("a line without an end is no record, and is not kept for ever", async () => {
  assert.equal(await recordsIn(`${journalLine(output("a"))}{"kind":"exit"`), [output("a")]);
  await using folder = await temporaryFolder();
  const file = await open(folder.file("journal"), "w");
  for (let count = 0; count < 40; count += 1) await file.write(Buffer.alloc(512 * 1024, "x"));
  await file.write(`\n${journalLine(output("after"))}`);
  await file.close();
  assert.equal(await collect(readJournal(folder.file("journal"))), [output("after")]);
});

test("what is written later arrives, in pieces or at once, until the end", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("journal");
  await writeFile(path, journalLine(phase("init")));
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const records = followJournal(path, { ended });
  const next = async (): Promise<JournalRecord | undefined> => (await records.next()).value;
  assert.equal(await next(), phase("init"));
  const waiting = next();
  const line = journalLine(output("in pieces"));
  await appendFile(path, line.slice(0, 10));
  await appendFile(path, line.slice(10) + journalLine(output("b")));
  assert.equal(await waiting, output("in pieces"));
  assert.equal(await next(), output("b"));
  const last = next();
  await appendFile(path, journalLine(exit(3)));
  end();
  assert.equal(await last, exit(3));
  assert.is(await next(), undefined);
});

test("what was written just before the end is not lost", async () => {
  for (let round = 0; round < 20; round += 1) {
    await using folder = await temporaryFolder();
    const path = folder.file("journal");
    await writeFile(path, "");
    const ended = appendFile(path, journalLine(exit(round)));
    assert.equal(await collect(followJournal(path, { ended })), [exit(round)]);
  }
});

test("an abort ends the wait with its reason", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("journal");
  await writeFile(path, journalLine(phase("init")));
  const stop = new AbortController();
  const records = followJournal(path, { signal: stop.signal });
  await records.next();
  const waiting = records.next();
  const reason = new Error("enough");
  stop.abort(reason);
  assert.is(await waiting.catch((error) => error), reason);
  const refused = followJournal(path, { signal: stop.signal }).next();
  assert.is(await refused.catch((error) => error), reason);
});

test("a reader that goes away leaves no watch behind", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("journal");
  await writeFile(path, journalLine(phase("init")));
  const watches = (): number =>
    process.getActiveResourcesInfo().filter((name) => /FSEvent/i.test(name)).length;
  const before = watches();
  for await (const _record of followJournal(path, {})) break;
  assert.is(watches(), before);
  assert.ok((await readFile(path)).length > 0);
});

test("the final exit is the last one of this start", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("journal");
  assert.is(await finalExit(path, 0), undefined);
  const earlier = journalLine(exit(1));
  await writeFile(path, earlier);
  assert.is(await finalExit(path, earlier.length), undefined);
  await appendFile(path, journalLine(exit(2, { final: false })) + journalLine(exit(3)));
  assert.equal(await finalExit(path, earlier.length), exit(3));
});

test.run();
