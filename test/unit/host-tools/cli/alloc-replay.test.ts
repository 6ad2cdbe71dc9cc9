/** The command itself, with a trace of the project's. */
import { spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import * as assert from "uvu/assert";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const ROOT = resolve(import.meta.dirname, "../../../..");
const MAIN = resolve(ROOT, "host-tools/cli/main.ts");
const TRACE = resolve(ROOT, "allocator-model/traces/sqlite.wlat");
const TSX = import.meta.resolve("tsx");

const test = suite("windlass alloc replay", { timeoutMs: 60_000 });

function windlass(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ["--import", TSX, MAIN, ...args], { encoding: "utf8" });
}

test("prints a table of the schemes, and one of their regions", () => {
  const { status, stdout, stderr } = windlass("alloc", "replay", TRACE);
  assert.is(status, 0, stderr);
  assert.match(stdout, /^sqlite\.wlat: 134404 operations; 1 CPU, /);
  for (const scheme of ["offset-2013", "osv", "proposal"]) {
    assert.match(stdout, new RegExp(`^${scheme} +[\\d.]+ MiB +7\\.4 MiB `, "m"));
  }
  assert.match(stdout, /^proposal +half-page +\d+ /m);
  assert.not.match(stdout, /^osv +half-page/m);
});

test("prints JSON, of one scheme and a machine of a given size", () => {
  const options = ["--scheme", "osv", "--pages", "16384", "--cpus", "2", "--json"];
  const { status, stdout, stderr } = windlass("alloc", "replay", TRACE, ...options);
  assert.is(status, 0, stderr);
  const { name, operations, replays } = JSON.parse(stdout);
  assert.is(name, "sqlite.wlat");
  assert.is(operations, 134_404);
  assert.is(replays.length, 1);
  const [{ scheme, pageCount, cpus, failed, samples, peak }] = replays;
  assert.equal([scheme, pageCount, cpus, failed], ["osv", 16_384, 2, 0]);
  assert.ok(samples.length > 900 && samples.length <= 1000);
  assert.ok(peak.footprintBytes > peak.requestedBytes);
});

test("reads texts, and says what is not in them or why they are none", async () => {
  await using folder = await temporaryFolder();
  const text = folder.file("mtrace.txt");
  await writeFile(text, "= Start\n@ p:[0x1] + 0x10 0x18\n- 0x20\nhello\n");
  const read = windlass("alloc", "replay", "--scheme", "proposal", text);
  assert.is(read.status, 0, read.stderr);
  assert.match(read.stdout, "mtrace.txt: 1 operation;");
  assert.match(read.stderr, "lines that are not about memory, or cannot be read: 1\n");
  assert.match(read.stderr, "addresses that nobody was seen to get: 1\n");
  await writeFile(text, "Dear all,\n");
  const refused = windlass("alloc", "replay", text);
  assert.is(refused.status, 1);
  assert.match(refused.stderr, 'error[WL_ALLOC_TRACE]: "mtrace.txt" is no trace: line 1 is "Dear');
  assert.match(refused.stderr, "next: Expected is a .wlat file");
});

test("counts as people do", async () => {
  await using folder = await temporaryFolder();
  const text = folder.file("ltrace.txt");
  await writeFile(text, "malloc(20000) = 0x10\n");
  const { stderr } = windlass("alloc", "replay", "--scheme", "osv", "--pages", "1", text);
  assert.match(stderr, "osv: 1 request failed with 1 page\n");
});

test.run();
