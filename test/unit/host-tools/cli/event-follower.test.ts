import { appendFile, mkdir, rename, writeFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import { followEvents, pastEvents } from "../../../../host-tools/cli/event-follower.ts";
import type { InstanceEvent } from "../../../../host-tools/instance/event-log.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("cli/event-follower");

const event = (name: string): InstanceEvent => ({
  timeMs: 1,
  event: "create",
  id: "0123456789ab",
  name,
  image: "hello:latest",
});
const line = (name: string): string => `${JSON.stringify(event(name))}\n`;

test("reads the past, the log before first, damage passed over", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("events.jsonl");
  assert.equal(await pastEvents(path), []);
  await writeFile(`${path}.1`, line("one"));
  await writeFile(path, `not json\n${line("two")}{"half":`);
  assert.equal(
    (await pastEvents(path)).map(({ name }) => name),
    ["one", "two"],
  );
});

test("follows lines as they come, in pieces, and over a new beginning", async ({ signal }) => {
  await using folder = await temporaryFolder();
  const path = folder.file("events.jsonl");
  await writeFile(path, line("old"));
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  const events = followEvents(path, line("old").length, { signal: both });
  const next = async (): Promise<string> => (await events.next()).value?.name ?? "";

  const first = next();
  const [head, tail] = [line("näch").slice(0, 20), line("näch").slice(20)];
  await appendFile(path, head);
  await appendFile(path, tail);
  assert.is(await first, "näch");

  const second = next();
  await rename(path, `${path}.1`);
  await writeFile(path, line("new"));
  assert.is(await second, "new");

  const third = next();
  stop.abort(new Error("enough"));
  assert.is(await third.catch((error: Error) => error.message), "enough");
});

test("waits for a log that is not there yet", async ({ signal }) => {
  await using folder = await temporaryFolder();
  const path = folder.file("data/events.jsonl");
  const events = followEvents(path, 0, { signal });
  const first = events.next();
  await new Promise((resolve) => setImmediate(resolve));
  await mkdir(folder.file("data"), { recursive: true });
  await writeFile(path, line("first"));
  assert.is((await first).value?.name, "first");
});

test.run();
