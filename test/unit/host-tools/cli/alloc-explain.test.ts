/** The command itself, also with a trace of the project's. */
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import * as assert from "uvu/assert";
import { suite } from "../../../support/suite.ts";

const ROOT = resolve(import.meta.dirname, "../../../..");
const MAIN = resolve(ROOT, "host-tools/cli/main.ts");
const TRACE = resolve(ROOT, "allocator-model/traces/sqlite.wlat");
const TSX = import.meta.resolve("tsx");

const test = suite("windlass alloc explain", { timeoutMs: 60_000 });

function explain(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const all = ["--import", TSX, MAIN, "alloc", "explain", ...args];
  return spawnSync(process.execPath, all, { encoding: "utf8" });
}

test("says what addresses mean, however a debugger writes them", () => {
  const { status, stdout, stderr } = explain("ffffa000`12345800", "0xffff_9000_0000_1000");
  assert.is(status, 0, stderr);
  assert.match(stdout, /^0xffffa00012345800\n {2}scheme {5}proposal\n {2}area {7}half-page/);
  assert.match(stdout, /\n\n0xffff900000001000\n/);
});

test("with a trace: the page, the slots, the object, and what free would do", () => {
  const { status, stdout, stderr } = explain(
    ...["--trace", TRACE, "--at", "50%", "0xffffa00000012800", "0xffff900000012808"],
  );
  assert.is(status, 0, stderr);
  const [half = "", foreign = ""] = stdout.split("\n\n");
  assert.match(half, "  trace      sqlite.wlat after 67202 of 134404 operations\n");
  assert.match(half, / {2}now {8}Page 0x12 of CPU 0 has two objects\n/);
  assert.match(half, /Slot 1, 2048 bytes from 0xffffa00000012800: in use\n/);
  assert.match(half, /Slot 0, 2048 bytes from 0xffffa00000012000: in use\n/);
  assert.match(half, /object {5}Id \d+ begins here, since operation \d+ on CPU 0; \d+ bytes/);
  assert.match(half, /free\(3\) {4}Gives the object back to region half-page$/);
  assert.match(foreign, /object {5}Id \d+ begins 8 bytes before/);
  const taken = "Takes it for region page; the object was handed out as 0xffffa00000012800";
  assert.match(foreign, taken);
});

test("prints JSON, of a machine of a given size and at the peak", () => {
  const { status, stdout, stderr } = explain(
    ...["--trace", TRACE, "--at", "PEAK", "--pages", "8192", "--json"],
    ...["--scheme", "osv", "0x400000012800", "0x400002000000"],
  );
  assert.is(status, 0, stderr);
  const [there, behind] = JSON.parse(stdout);
  assert.is(there.now.page, 0x12);
  assert.match(there.object.address, /^0x/);
  assert.ok(there.operation > 0 && there.operation < there.operations);
  assert.equal([behind.now, behind.object], [undefined, undefined], "32 MiB are there");
});

test("with a trace: memory's end is the reason only where memory is mapped", () => {
  const { status, stdout, stderr } = explain(
    ...["--trace", "workload:page-cache", "--at", "0%"],
    ...["0xffff8fffffffffff", "0xfffff00000000000", "0x1000"],
  );
  assert.is(status, 0, stderr);
  const [behind = "", debug = "", low = ""] = stdout.split("\n\n");
  assert.match(behind, /No memory is seen there: it ends at physical address 0x/);
  for (const text of [debug, low]) assert.match(text, /now {8}Nothing of the heap is seen there/);
});

test("refuses what is no address, no time, and a time of no trace", () => {
  for (const [args, text] of [
    [["0x12345678901234567"], /is not an address/],
    [["--trace", TRACE, "--at", "noon", "0x0"], /"noon" is no time of a trace/],
    [["--at", "END", "0x0"], /are about a trace/],
  ] as const) {
    const { status, stderr } = explain(...args);
    assert.is(status, 2);
    assert.match(stderr, text);
  }
});

test.run();
