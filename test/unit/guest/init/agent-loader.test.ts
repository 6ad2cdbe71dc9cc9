import { writeFile } from "node:fs/promises";
import { Script } from "node:vm";
import * as assert from "uvu/assert";
import { loadAgent, wrapped } from "../../../../guest/init/agent-loader.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("agent loader");

/** A bundle as esbuild writes one: CommonJS, its last line perhaps a comment. */
const BUNDLE = `
const { join } = require("node:path");
module.exports = { createAgent: () => join("a", "b") };
// the end`;

const load = (path: string): unknown =>
  (loadAgent(path) as { createAgent: () => unknown }).createAgent();

test("a bundle is a CommonJS module with Node's own modules", async () => {
  await using folder = await temporaryFolder();
  await writeFile(folder.file("agent.js"), BUNDLE);
  assert.is(load(folder.file("agent.js")), "a/b");
});

test("a cache is used, and one that does not fit is not", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("agent.js");
  await writeFile(path, BUNDLE);
  const fitting = new Script(wrapped(BUNDLE), { filename: path }).createCachedData();
  const other = new Script("1 + 1").createCachedData();
  for (const cache of [
    fitting,
    other,
    Buffer.alloc(0),
    Buffer.from("damaged"),
    fitting.subarray(0, 60),
  ]) {
    await writeFile(`${path}.cache`, cache);
    assert.is(load(path), "a/b");
  }
});

test("a bundle that throws, or is not there, is an error of its own", async () => {
  await using folder = await temporaryFolder();
  await writeFile(folder.file("agent.js"), 'throw new Error("broken bundle")');
  assert.throws(() => loadAgent(folder.file("agent.js")), /broken bundle/);
  assert.throws(() => loadAgent(folder.file("missing.js")), /ENOENT/);
});

test.run();
