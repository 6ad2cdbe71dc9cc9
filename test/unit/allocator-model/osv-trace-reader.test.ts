import * as assert from "uvu/assert";
import { isOsvLine, readOsvTrace } from "../../../allocator-model/osv-trace-reader.ts";
import { suite } from "../../support/suite.ts";
import { traceText } from "./trace-text.ts";

const test = suite("OSv trace reader");

/** A line as Trace.format of scripts/osv/trace.py writes it. */
function line(event: string, data: string, { cpu = 0, thread = "main" } = {}): string {
  const name = thread.padEnd(15);
  const where = String(cpu).padStart(2);
  return `0xffff800001a3c040 ${name} ${where} ${"3.141592654".padStart(19)} ${event.padEnd(20)} ${data}`;
}

function read(...lines: string[]): { text: string[]; losses: readonly number[] } {
  const { trace, losses } = readOsvTrace(lines.join("\n"), "osv");
  return { text: traceText(trace), losses: Object.values(losses) };
}

const BUFFER = "buf=0x0000600001a3c400";

test("an object has a region's event and malloc's own, or one of them", () => {
  const region = line("memory_malloc_mempool", `${BUFFER}, req_len=24, alloc_len=32, align=16`);
  const own = line("memory_malloc", `${BUFFER}, len=24, align=16`);
  const free = line("memory_free", BUFFER, { cpu: 1 });
  for (const lines of [[region, own], [region], [own]]) {
    const { text, losses } = read(...lines, free, ...lines, free);
    assert.equal(text, ["malloc 0 24", "free 0 on 1", "malloc 0 24", "free 0 on 1"]);
    assert.equal(losses, [0, 0, 0, 0, 0]);
  }
});

test("alignments are kept, unless they are malloc's own", () => {
  const of = (size: number, align: number): string[] =>
    read(line("memory_malloc_large", `${BUFFER}, req_len=${size}, alloc_len=8192, align=${align}`))
      .text;
  assert.equal(of(5000, 16), ["malloc 0 5000"]);
  assert.equal(of(5000, 64), ["malloc 0 5000 @64"]);
  assert.equal(of(5, 8), ["malloc 0 5"]);
  assert.equal(of(1, 16), ["malloc 0 1 @16"]);
  assert.equal(of(3, 4), ["malloc 0 3"]);
});

test("realloc is the malloc and free that it calls, or a realloc when these were not traced", () => {
  const first = line("memory_malloc", `${BUFFER}, len=24, align=16`);
  const moved = "0x0000600001a3c800";
  const realloc = line("memory_realloc", `in=0x0000600001a3c400, newlen=48, out=${moved}`);
  const second = line("memory_malloc", `buf=${moved}, len=48, align=16`);
  const free = line("memory_free", BUFFER);
  assert.equal(read(first, second, free, realloc).text, ["malloc 0 24", "malloc 1 48", "free 0"]);
  assert.equal(read(first, realloc).text, ["malloc 0 24", "realloc 0 48"]);
  assert.equal(read(first, second, realloc).text, ["malloc 0 24", "malloc 1 48", "free 0"]);
  const ended = line("memory_realloc", "in=0x0000600001a3c400, newlen=0, out=0x0000000000000000");
  assert.equal(read(first, ended).text, ["malloc 0 24", "free 0"]);
});

test("names of threads have blanks, and lines may end in a backtrace", () => {
  const text = `${line("memory_malloc", `${BUFFER}, len=7, align=8`, { thread: ">/libtool so 1 2.5" })}   [0x1f2a, 0x2b]`;
  assert.ok(isOsvLine(text));
  assert.equal(read(text).text, ["malloc 0 7"]);
});

test("addresses of 64 bits are told apart", () => {
  const at = (buffer: string): string => line("memory_malloc", `buf=${buffer}, len=8, align=8`);
  const { losses } = read(at("0xffff900000000000"), at("0xffff900000000001"));
  assert.equal(losses, [0, 0, 0, 0, 0]);
});

test("other events are skipped, nulls and unknown addresses counted", () => {
  const { text, losses } = read(
    line("sched_switch", "to 0xffff800001a3c040"),
    line("memory_page_alloc", "page=0xffff800001000000"),
    line("memory_free", "buf=0x0000000000000000"),
    line("memory_free", "buf=0x0000600001a3c500"),
    line("memory_malloc", "buf=0x0000000000000000, len=99, align=16"),
    line("memory_malloc", `${BUFFER}, len=, align=16`),
    line("memory_malloc", `${BUFFER}, len=8, align=8`),
  );
  assert.equal(text, ["malloc 0 8"]);
  assert.equal(losses, [3, 1, 1, 0, 0]);
});

test("a list without memory events is refused", () => {
  assert.throws(() => readOsvTrace(line("sched_switch", "to 0x1"), "x"), /line 1 is "0xffff8000/);
});

test.run();
