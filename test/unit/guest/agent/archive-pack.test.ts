import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { finished } from "node:stream/promises";
import { setImmediate } from "node:timers/promises";
import * as assert from "uvu/assert";
import { packArchive } from "../../../../guest/agent/archive-pack.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("archive pack");

test("a caller who goes away in the middle of a file ends the archive, not the agent", async () => {
  await using folder = await temporaryFolder();
  await writeFile(folder.file("large"), Buffer.alloc(8 * 1024 * 1024));
  const uncaught: unknown[] = [];
  const listener = (error: unknown): void => void uncaught.push(error);
  process.on("uncaughtException", listener);
  try {
    const gone = new AbortController();
    const body = await packArchive(folder.file("large"), gone.signal);
    // The header, then content: the rest of the file waits for us.
    for (let chunks = 0; chunks < 2; chunks += 1)
      await once(body, "readable").then(() => body.read());
    gone.abort(new Error("the caller went away"));
    const failure = await finished(body).catch((error) => error);
    assert.is(failure.name, "AbortError");
    for (let turn = 0; turn < 10; turn += 1) await setImmediate(); // For what fails behind it.
    assert.equal(uncaught, []);
  } finally {
    process.off("uncaughtException", listener);
  }
});

test.run();
