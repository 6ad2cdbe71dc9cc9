import * as assert from "uvu/assert";
import { AllocatorError } from "../../../allocator-model/allocator-error.ts";
import { isMtraceLine, readMtrace } from "../../../allocator-model/mtrace-reader.ts";
import { suite } from "../../support/suite.ts";
import { traceText } from "./trace-text.ts";

const test = suite("mtrace reader");

/** Of glibc 2.36: malloc, realloc, calloc, memalign, malloc(0), strdup, a request that failed. */
const REAL = `= Start
@ ./p:[0x12a8] + 0x5588231852a0 0x18
@ ./p:[0x12bd] < 0x5588231852a0
@ ./p:[0x12bd] > 0x7f8d360f2010 0x30d40
@ ./p:[0x12d0] + 0x5588231854a0 0x12c
@ ./p:[0x132a] + 0x5588231856c0 0xa
@ ./p:[0x1338] + 0x5588231855e0 0
@ /lib/x86_64-linux-gnu/libc.so.6:(__strdup+1a)[0x9e9aa] + 0x5588231852a0 0x6
@ ./p:[0x1380] + (nil) 0x4000000000000000
@ ./p:[0x140e] - 0x5588231852a0
@ [0x141a] - 0x5588231856c0
- 0x7f8d360f2010
= End
`;

test("reads what mtrace wrote", () => {
  const { trace, losses } = readMtrace(REAL, "real");
  assert.equal(traceText(trace), [
    ...["malloc 0 24", "realloc 0 200000", "malloc 1 300", "malloc 2 10", "malloc 3 0"],
    ...["malloc 4 6", "free 4", "free 2", "free 0"],
  ]);
  assert.is(trace.name, "real");
  assert.is(losses.failedRequests, 1);
  assert.is(losses.skippedLines, 0);
});

test("knows its lines, and no others", () => {
  for (const line of REAL.trim().split("\n")) assert.ok(isMtraceLine(line), line);
  for (const line of ["", "= start", "+ 1 2", "p->malloc(24) = 0x1"]) {
    assert.not(isMtraceLine(line), line);
  }
});

test("skips other lines, and those that end early", () => {
  const text = `= Start\nhello\n@ p:[0x1] + 0x10 0x8\n@ p:[0x1] + 0x2\n@ p:[0x1] ! 0x10 0x9\n@ p:[0x1`;
  const { trace, losses } = readMtrace(text, "cut");
  assert.equal(traceText(trace), ["malloc 0 8"]);
  assert.is(losses.skippedLines, 3);
  assert.is(losses.failedRequests, 1);
});

test("frees of objects from before the start are counted", () => {
  const { losses } = readMtrace("= Start\n- 0x10\n- 0x20\n+ 0x10 0x1\n< (nil)\n> 0x30 0x4", "late");
  assert.is(losses.unknownAddresses, 2);
});

test("a text without an operation is refused, with the line and what was expected", () => {
  const refused = (error: unknown): boolean =>
    error instanceof AllocatorError &&
    error.code === "WL_ALLOC_TRACE" &&
    error.message.includes('line 1 is "= Start"') &&
    (error.facts.next ?? "").includes("@ ./program");
  assert.throws(() => readMtrace("= Start\n= End\n", "empty"), refused);
});

test.run();
