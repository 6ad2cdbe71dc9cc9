/** The command itself, with a small trace. What the page does is in test/conformance/map-page.test.ts. */
import { spawnSync } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import * as assert from "uvu/assert";
import { TraceBuilder } from "../../../../allocator-model/trace.ts";
import { encodeTrace } from "../../../../allocator-model/trace-file.ts";
import { suite } from "../../../support/suite.ts";
import { type TemporaryFolder, temporaryFolder } from "../../../support/temporary-folder.ts";

const MAIN = resolve(import.meta.dirname, "../../../../host-tools/cli/main.ts");
const TSX = import.meta.resolve("tsx");

let folder: TemporaryFolder;
let trace: string;

const test = suite("windlass alloc map", {
  timeoutMs: 60_000,
  async setup() {
    folder = await temporaryFolder();
    trace = folder.file("small.wlat");
    const builder = new TraceBuilder();
    for (const [id, size] of [2048, 4096, 20_000].entries()) builder.malloc(id, size);
    builder.free(1);
    await writeFile(trace, encodeTrace(builder.build("small")));
  },
  async teardown() {
    await folder?.[Symbol.asyncDispose]();
  },
});

function map(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const words = ["--import", TSX, MAIN, "alloc", "map", ...args];
  return spawnSync(process.execPath, words, { encoding: "utf8" });
}

test("prints the areas and the pages at the peak, without colour where no terminal is", () => {
  const { status, stdout, stderr } = map(trace, "--pages", "1024", "--width", "16");
  assert.is(status, 0, stderr);
  assert.match(stdout, /^small\.wlat, scheme proposal, after 3 of 4 operations\n/);
  assert.match(stdout, /^ +3 {2}large +0xffffb00000000000 +identity +5 /m);
  assert.match(stdout, /^0x00000000 {2}[hpLc.]{16}$/m);
  assert.not(stdout.includes("\x1b"));
});

test("prints another time, and JSON", () => {
  const { status, stdout, stderr } = map(trace, "--at", "end", "--scheme", "osv", "--json");
  assert.is(status, 0, stderr);
  const { scheme, operation, operations, pages, pageCount, runs } = JSON.parse(stdout);
  assert.equal([scheme, operation, operations], ["osv", 4, 4]);
  // A page for the half one, and the large object's five.
  assert.equal([pages.page, pages.large, pages.mempool], [1, 5, 0]);
  const inRuns = runs.reduce((sum: number, [, count]: [number, number]) => sum + count, 0);
  assert.is(inRuns, pageCount);
});

test("says what had no memory", () => {
  const { status, stderr } = map(trace, "--pages", "4");
  assert.is(status, 0);
  assert.match(stderr, "Requests that got no memory of 4 pages: 1\n");
});

test("writes a page, whole or not at all", async () => {
  const target = folder.file("map.html");
  const { status, stdout, stderr } = map(trace, "-o", target, "--samples", "3");
  assert.is(status, 0, stderr);
  assert.is(stdout, "");
  assert.match(stderr, /^Wrote the map of small\.wlat at 4 times to .*map\.html \(\d/);
  assert.match(await readFile(target, "utf8"), /^<!doctype html>\n/);
  assert.equal((await readdir(folder.path)).sort(), ["map.html", "small.wlat"]);
});

test("of one time; refuses a folder that is not there, and makes none", async () => {
  await using target = await temporaryFolder();
  const one = map(trace, "--at", "end", "-o", target.file("one.html"));
  assert.match(one.stderr, /^Wrote the map of small\.wlat at 1 time to /);
  const { status, stderr } = map(trace, "-o", target.file("mistyped/map.html"));
  assert.is(status, 1);
  assert.match(
    stderr,
    `error[WL_HOST_IO]: Cannot write "${target.file("mistyped/map.html")}": ENOENT`,
  );
  assert.match(stderr, "next: Check that its folder is there");
  const instead = map(trace, "--at", "end", "-o", target.path);
  assert.match(instead.stderr, `error[WL_HOST_IO]: Cannot write "${target.path}": `);
  assert.equal(await readdir(target.path), ["one.html"]);
});

test("refuses what is no time, no number of samples, no width", () => {
  for (const [args, message] of [
    [["--at", "101%"], '"101%" is no time of a trace'],
    [["--at", "noon"], '"noon" is no time of a trace'],
    [["--samples", "0"], "--samples cannot be 0"],
    [["--width", "5000"], "--width cannot be 5000"],
  ] as const) {
    const { status, stderr } = map(trace, ...args);
    assert.is(status, 2, stderr);
    assert.match(stderr, message);
  }
});

test.run();
