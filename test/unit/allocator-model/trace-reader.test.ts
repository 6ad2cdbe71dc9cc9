import fc from "fast-check";
import * as assert from "uvu/assert";
import { AllocatorError } from "../../../allocator-model/allocator-error.ts";
import { TraceBuilder } from "../../../allocator-model/trace.ts";
import { encodeTrace } from "../../../allocator-model/trace-file.ts";
import { readTrace } from "../../../allocator-model/trace-reader.ts";
import { suite } from "../../support/suite.ts";
import { traceText } from "./trace-text.ts";

const test = suite("trace reader");

function read(text: string): string[] {
  return traceText(readTrace(Buffer.from(text), "x").trace);
}

test("finds out the format", () => {
  const builder = new TraceBuilder();
  builder.malloc(0, 24);
  const { trace, losses } = readTrace(encodeTrace(builder.build("x")), "x");
  assert.equal(traceText(trace), ["malloc 0 24"]);
  assert.equal(Object.values(losses), [0, 0, 0, 0, 0]);
  assert.equal(read("= Start\n+ 0x10 0x18\n"), ["malloc 0 24"]);
  assert.equal(read("12 p->malloc(24) = 0x10\n"), ["malloc 0 24"]);
  const event = "memory_malloc        buf=0x0000600001a3c400, len=24, align=16";
  assert.equal(read(`0xffff800001a3c040 main 0 1.000000000 ${event}\r\n`), ["malloc 0 24"]);
});

test("looks behind other lines", () => {
  assert.equal(read(`hello\n\n${"x".repeat(10_000)}\nmalloc(24) = 0x10`), ["malloc 0 24"]);
});

test("what is no trace is refused, with its first line and what it could have been", () => {
  const refusal = (text: string): AllocatorError => {
    try {
      readTrace(Buffer.from(text), "notes.txt");
    } catch (error) {
      if (error instanceof AllocatorError && error.code === "WL_ALLOC_TRACE") return error;
      throw error;
    }
    throw new Error("accepted");
  };
  const error = refusal("\nDear all,\n");
  assert.is(error.message, '"notes.txt" is no trace: line 2 is "Dear all,"');
  for (const word of [".wlat", "= Start", "ltrace", "trace.py"]) {
    assert.match(error.facts.next ?? "", word);
  }
  assert.is(refusal("").message, '"notes.txt" is no trace: it is empty');
  assert.match(refusal("y".repeat(100)).message, `"${"y".repeat(60)}…"`);
});

test("no bytes make it fail otherwise", () => {
  const word = fc.constantFrom(
    ...[
      "malloc(",
      "realloc(",
      "free(",
      "0x10",
      "24",
      ", ",
      ")",
      " = ",
      "<unfinished ...>",
      "\n",
      "\n",
    ],
    ...[
      "<... malloc resumed> ",
      "= Start\n",
      "@ p:[0x1] ",
      "+ ",
      "- ",
      "< ",
      "> ",
      "(nil)",
      "12 ",
      "WLAT",
    ],
    ...["0xff main 0 1.0 memory_malloc buf=0x10, len=", "memory_free buf=0x10", "\0", "é"],
  );
  const text = fc.array(word, { maxLength: 40 }).map((words) => Buffer.from(words.join("")));
  fc.assert(
    fc.property(fc.oneof(text, fc.uint8Array({ maxLength: 40 })), (bytes) => {
      try {
        encodeTrace(readTrace(bytes, "x").trace);
      } catch (error) {
        if (!(error instanceof AllocatorError) || error.code !== "WL_ALLOC_TRACE") throw error;
      }
    }),
    { numRuns: 1000 },
  );
});

test.run();
