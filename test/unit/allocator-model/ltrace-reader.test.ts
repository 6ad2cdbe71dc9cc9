import * as assert from "uvu/assert";
import { isLtraceLine, readLtrace } from "../../../allocator-model/ltrace-reader.ts";
import { suite } from "../../support/suite.ts";
import { traceText } from "./trace-text.ts";

const test = suite("ltrace reader");

/** Of ltrace 0.7.3, which knows the functions from its ltrace.conf. */
const REAL = `p->malloc(24)                                    = 0x55797feae2a0
p->realloc(0x55797feae2a0, 200000)               = 0x7faf8abe9010
p->calloc(3, 100)                                = 0x55797feae2c0
p->realloc(0, 5)                                 = 0x55797feae2a0
p->posix_memalign(0x7ffe04e47b38, 64, 100, 0)    = 0
p->aligned_alloc(4096, 3000, 0x55797feae400, 5)  = 0x55797feaf000
p->memalign(32, 10, 0, 79)                       = 0x55797feae4e0
p->malloc(0)                                     = 0x55797feae550
p->free(0)                                       = <void>
p->realloc(0x55797feae2a0, 0)                    = 0
p->malloc(4611686018427387904)                   = 0
p->free(0x55797feae4e0)                          = <void>
p->free(0x55797feaf000)                          = <void>
p->free(0x55797feae400)                          = <void>
p->free(0x7faf8abe9010)                          = <void>
+++ exited (status 0) +++
`;

/** With -f, and without ltrace.conf: it prints registers that are no arguments. */
const THREADS = `27118 p->malloc(24, 0x7ffff46df0c8, 0x7ffff46df0e0, 0x55904400ddd8) = 0x55905f1b42a0
27119 p->malloc(33, 1, 0x7fbc64000, 1)           = 0x7fbc64000b70
27119 p->realloc(0x7fbc64000b70, 101, 101, 0 <unfinished ...>
27120 p->malloc(32, 0x7fbc6b501fb0, 0, 0x7fbc6bdc0006 <unfinished ...>
27119 <... realloc resumed> )                    = 0x7fbc64000be0
27118 p->malloc(8, 0, 0, 0)                      = 0x7fbc64000b70
27120 <... malloc resumed> )                     = 0x7fbc5c000b70
27120 p->free(0x7fbc64000be0, 0x7fbc64000cb0, 0x7fbc64000030, 0x20321 <unfinished ...>
27119 p->malloc(0x30d40, 1, 0x7fbc64000, 12)     = 0x7fbc64000be0
27120 <... free resumed> )                       = 0
27120 +++ exited (status 0) +++
`;

test("reads what ltrace wrote", () => {
  const { trace, losses } = readLtrace(REAL, "real");
  assert.equal(traceText(trace), [
    ...["malloc 0 24", "realloc 0 200000", "calloc 1 300", "malloc 2 5", "malloc 3 3000 @4096"],
    ...["malloc 4 10 @32", "malloc 5 0", "free 2", "free 4", "free 3", "free 0"],
  ]);
  // posix_memalign's object is not shown: its line is skipped, and its free is of an unknown address.
  assert.is(losses.skippedLines, 1);
  assert.is(losses.unknownAddresses, 1);
  assert.is(losses.failedRequests, 1);
});

test("follows calls of several threads that overlap", () => {
  const { trace, losses } = readLtrace(THREADS, "threads");
  assert.equal(traceText(trace), [
    ...["malloc 0 24", "malloc 1 33 on 1", "realloc 1 101 on 1", "malloc 2 8"],
    ...["malloc 3 32 on 2", "free 1 on 2", "malloc 1 200000 on 1"],
  ]);
  assert.equal(Object.values(losses), [0, 0, 0, 0, 0]);
});

test("reads times, addresses of calls and durations", () => {
  const lines = [
    "27132 12:44:45.961702 sqlite3->realloc(0, 8, 2, 16) = 0x5569fdeed2a0",
    "27132 12:44:45.962018 libsqlite3.so.0->sqlite3_malloc(10, 0x7fefb77d00c0 <unfinished ...>",
    "27132 12:44:45.962047 libsqlite3.so.0->malloc(24, 10, 15, 0) = 0x5569fdeed300 <0.000031>",
    "27132 12:44:45.962077 <... sqlite3_malloc resumed> ) = 0x5569fdeed308",
    "27132 0.000012 [0x5569fdc01234] libsqlite3.so.0->free(0x5569fdeed300) = <void>",
    "[pid 27132] 1763728.102 free(0x5569fdeed2a0) = <void>",
  ];
  const { trace, losses } = readLtrace(lines.join("\n"), "times");
  assert.equal(traceText(trace), ["malloc 0 8", "malloc 1 24", "free 1", "free 0"]);
  assert.is(losses.skippedLines, 2);
});

test("a failed realloc leaves the object where it was", () => {
  const lines = [
    "malloc(8) = 0x10",
    "realloc(0x10, 4611686018427387904) = nil",
    "free(0x10) = <void>",
  ];
  const { trace, losses } = readLtrace(lines.join("\n"), "failed");
  assert.equal(traceText(trace), ["malloc 0 8", "free 0"]);
  assert.is(losses.failedRequests, 1);
});

test("knows its lines, and no others", () => {
  assert.ok(isLtraceLine("p->malloc(24) = 0x55797feae2a0"));
  assert.ok(isLtraceLine("27119 malloc(24 <unfinished ...>"));
  for (const line of ["", "malloc", "malloc(24)", "int *a = malloc(24);", "p->strlen(1) = 1"]) {
    assert.not(isLtraceLine(line), line);
  }
});

test("a call that is cut off is skipped", () => {
  const { losses } = readLtrace(
    "malloc(8) = 0x10\nmalloc(xyz) = 0x20\nrealloc(0x10) = 0x1\nmall",
    "cut",
  );
  assert.is(losses.skippedLines, 3);
});

test("of calls that never return, a thread has the last 16", () => {
  const begun = Array.from({ length: 20 }, (_, size) => `1 p->malloc(${size} <unfinished ...>`);
  const ended = begun.map((_, at) => `1 <... malloc resumed> ) = 0x${(at + 1).toString(16)}0`);
  const { trace, losses } = readLtrace([...begun, ...ended].join("\n"), "open");
  assert.equal([...trace.sizes], [19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4]);
  // Four that were given up, four that returned to nobody.
  assert.is(losses.skippedLines, 8);
});

// The deadline is the check: in the square of its length, either text takes longer.
test("a text may have calls without end and blanks without end", () => {
  const open = "1 p->malloc(8 <unfinished ...>\n".repeat(200_000);
  const other = "1 <... free resumed> ) = <void>\n".repeat(200_000);
  assert.is(readLtrace(`${open}${other}malloc(8) = 0x10`, "x").losses.skippedLines, 399_984);
  const blank = `malloc(${" ".repeat(4080)}(\n`.repeat(4000);
  assert.equal(traceText(readLtrace(`${blank}malloc( 8  ) = 0x10`, "x").trace), ["malloc 0 8"]);
});

test("a text without a call is refused", () => {
  assert.throws(() => readLtrace("+++ exited (status 0) +++\n", "x"), /line 1 is "\+\+\+ exited/);
});

test.run();
