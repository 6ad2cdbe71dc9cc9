import { deflateSync } from "node:zlib";
import fc from "fast-check";
import * as assert from "uvu/assert";
import { AllocatorError } from "../../../allocator-model/allocator-error.ts";
import {
  CALLOC,
  FREE,
  MALLOC,
  REALLOC,
  type Trace,
  TraceBuilder,
} from "../../../allocator-model/trace.ts";
import {
  decodeTrace,
  encodeTrace,
  TRACE_OPERATIONS_MAX,
  traceRecords,
} from "../../../allocator-model/trace-file.ts";
import { suite } from "../../support/suite.ts";
import { anyTrace } from "./any-trace.ts";

const test = suite("trace files");

const HEADER_BYTES = 16;

/** What `decodeTrace` says of bytes that it refuses. */
function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof AllocatorError && error.code === "WL_ALLOC_TRACE") return error.message;
    throw error;
  }
  throw new Error("accepted");
}

/** A file with any header and any columns. */
function fileOf(header: { cpus?: number; length: number }, columns: Uint8Array): Uint8Array {
  const content = deflateSync(columns);
  const bytes = new Uint8Array(HEADER_BYTES + content.length);
  const view = new DataView(bytes.buffer);
  bytes.set(Buffer.from("WLAT"));
  view.setUint16(4, 1, true);
  view.setUint16(6, header.cpus ?? 1, true);
  view.setUint32(8, header.length, true);
  bytes.set(content, HEADER_BYTES);
  return bytes;
}

interface Operation {
  readonly operation: number;
  readonly id?: number;
  readonly size?: number;
  readonly cpu?: number;
  readonly alignmentLog2?: number;
}

/** A trace as no builder would build it. */
function traceOf(operations: readonly Operation[], cpus = 1): Trace {
  const column = (value: (one: Operation) => number | undefined): number[] =>
    operations.map((one) => value(one) ?? 0);
  return {
    name: "x",
    cpus,
    length: operations.length,
    operations: Uint8Array.from(column((one) => one.operation)),
    cpuOf: Uint8Array.from(column((one) => one.cpu)),
    alignmentLog2: Uint8Array.from(column((one) => one.alignmentLog2)),
    ids: Uint32Array.from(column((one) => one.id)),
    sizes: Uint32Array.from(column((one) => one.size)),
  };
}

function sample(): Uint8Array {
  const builder = new TraceBuilder();
  builder.malloc(0, 24);
  builder.calloc(1, 4096, 1);
  builder.realloc(0, 2 ** 32 - 1, 2);
  builder.free(1, 1);
  builder.malloc(1, 3000, 0, 12);
  return encodeTrace(builder.build("sample"));
}

test("a trace is the same after it was a file", () => {
  fc.assert(
    fc.property(anyTrace, (trace) => {
      assert.equal(decodeTrace(encodeTrace(trace), trace.name), trace);
    }),
  );
});

test("numbers of all four bytes are kept", () => {
  const trace = decodeTrace(sample(), "sample");
  assert.equal([...trace.sizes], [24, 4096, 2 ** 32 - 1, 0, 3000]);
  assert.equal([...trace.operations], [MALLOC, CALLOC, REALLOC, FREE, MALLOC]);
  assert.is(trace.alignmentLog2[4], 12);
  assert.is(trace.cpus, 3);
});

test("a file is read from the middle of a buffer too", () => {
  const bytes = sample();
  const larger = new Uint8Array(bytes.length + 7);
  larger.set(bytes, 3);
  assert.is(decodeTrace(larger.subarray(3, 3 + bytes.length), "sample").length, 5);
});

test("a file that ends early is refused, wherever it ends", () => {
  const bytes = sample();
  for (let end = 0; end < bytes.length; end += 1) {
    assert.match(
      refusal(() => decodeTrace(bytes.subarray(0, end), "cut")),
      /^"cut" is no trace: /,
    );
  }
});

test("changed bytes are refused, or are another trace, but nothing worse", () => {
  const change = fc.record({ at: fc.nat(), to: fc.integer({ min: 0, max: 255 }) });
  fc.assert(
    fc.property(anyTrace, fc.array(change, { minLength: 1, maxLength: 4 }), (trace, changes) => {
      const bytes = encodeTrace(trace);
      for (const { at, to } of changes) bytes[at % bytes.length] = to;
      try {
        const read = decodeTrace(bytes, "changed");
        assert.equal(decodeTrace(encodeTrace(read), "changed"), read);
      } catch (error) {
        if (!(error instanceof AllocatorError) || error.code !== "WL_ALLOC_TRACE") throw error;
      }
    }),
    { numRuns: 500 },
  );
});

test("any bytes behind a right header are refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat({ max: 100 }), (content, length) => {
      const bytes = new Uint8Array([
        ...fileOf({ length }, new Uint8Array(0)).subarray(0, 16),
        ...content,
      ]);
      refusal(() => decodeTrace(bytes, "noise"));
    }),
  );
});

test("a header that is none is refused, and says why", () => {
  const bytes = sample();
  const changed = (at: number, to: number): string => {
    const copy = bytes.slice();
    copy[at] = to;
    return refusal(() => decodeTrace(copy, "x"));
  };
  assert.match(changed(0, 0x58), 'does not begin with "WLAT"');
  assert.match(changed(4, 2), "its version is 2, not 1");
  assert.match(changed(6, 0), "it has 0 CPUs");
  assert.match(changed(7, 2), "it has 515 CPUs");
  assert.match(changed(12, 1), "its header is damaged");
});

test("absurd counts are refused before anything is inflated", () => {
  const many = fileOf({ length: TRACE_OPERATIONS_MAX + 1 }, new Uint8Array(11));
  assert.match(
    refusal(() => decodeTrace(many, "x")),
    `more than ${TRACE_OPERATIONS_MAX}`,
  );
  const some = fileOf({ length: TRACE_OPERATIONS_MAX }, new Uint8Array(11));
  assert.match(
    refusal(() => decodeTrace(some, "x")),
    "cannot hold",
  );
});

test("what inflates to more than the header says is not inflated further", () => {
  const bomb = fileOf({ length: 2 }, new Uint8Array(64 * 1024 * 1024));
  assert.match(
    refusal(() => decodeTrace(bomb, "x")),
    "more operations than it says",
  );
  const short = fileOf({ length: 2 }, new Uint8Array(11));
  assert.match(
    refusal(() => decodeTrace(short, "x")),
    "fewer operations than it says",
  );
  const followed = new Uint8Array([...sample(), 0]);
  assert.match(
    refusal(() => decodeTrace(followed, "x")),
    "something follows",
  );
});

test("operations that no program can have asked for are refused, written and read", () => {
  const made = { operation: MALLOC, size: 8 };
  const cases: readonly (readonly [readonly Operation[], string])[] = [
    [[{ operation: 0 }], "operation 0 is of no known kind: 0"],
    [[{ operation: 5 }], "operation 0 is of no known kind: 5"],
    [[{ operation: FREE }], "operation 0 is about an object that is not there"],
    [[made, { operation: FREE }, { operation: FREE }], "operation 2 is about an object"],
    [
      [made, { operation: FREE }, { operation: REALLOC, size: 9 }],
      "operation 2 is about an object",
    ],
    [[made, { operation: CALLOC }], "operation 1 makes an object that is there"],
    [[made, { operation: REALLOC }], "operation 1 reallocates, and has no size"],
    [[made, { operation: FREE, size: 1 }], "operation 1 frees, and has a size"],
    [[{ ...made, id: 1 }], "operation 0 has the id 1"],
    [[{ ...made, id: 2 ** 32 - 1 }], "operation 0 has the id 4294967295"],
    [[{ ...made, cpu: 1 }], "operation 0 is on CPU 1; there are 1"],
    [[{ ...made, alignmentLog2: 32 }], "operation 0 has an absurd alignment"],
    [[{ ...made, operation: CALLOC, alignmentLog2: 4 }], "operation 0 has an absurd alignment"],
  ];
  for (const [operations, why] of cases) {
    const trace = traceOf(operations);
    assert.match(
      refusal(() => encodeTrace(trace)),
      why,
    );
    assert.match(
      refusal(() => decodeTrace(fileOf(trace, columnsOf(trace)), "x")),
      why,
    );
  }
  assert.match(
    refusal(() => encodeTrace(traceOf([made], 0))),
    "it has 0 CPUs",
  );
});

function columnsOf(trace: Trace): Uint8Array {
  const byte = (numbers: Uint32Array, shift: number) => [...numbers].map((one) => one >>> shift);
  return Uint8Array.from(
    [
      [...trace.operations],
      [...trace.cpuOf],
      [...trace.alignmentLog2],
      ...[0, 8, 16, 24].map((shift) => byte(trace.ids, shift)),
      ...[0, 8, 16, 24].map((shift) => byte(trace.sizes, shift)),
    ].flat(),
  );
}

test("records for other programs have twelve bytes each", () => {
  const records = traceRecords(decodeTrace(sample(), "sample"));
  assert.is(records.length, 60);
  assert.equal([...records.subarray(24, 36)], [3, 2, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255]);
  assert.equal([...records.subarray(48)], [1, 0, 12, 0, 1, 0, 0, 0, 0xb8, 0x0b, 0, 0]);
});

test.run();
