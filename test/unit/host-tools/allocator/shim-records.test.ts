import * as assert from "uvu/assert";
import {
  SHIM_RECORD_BYTES,
  shimKinds,
  shimSource,
} from "../../../../host-tools/allocator/allocation-shim.ts";
import { ShimRecords } from "../../../../host-tools/allocator/shim-records.ts";
import { suite } from "../../../support/suite.ts";
import { traceText } from "../../allocator-model/trace-text.ts";

const test = suite("allocator/shim-records");

type Kind = keyof typeof shimKinds;
type Line = readonly [
  kind: Kind | "unwritten",
  address: number,
  size?: number,
  other?: number,
  thread?: number,
];

function bytesOf(lines: readonly Line[]): Uint8Array {
  const bytes = new Uint8Array(lines.length * SHIM_RECORD_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [index, [kind, address, size = 0, other = 0, thread = 0]] of lines.entries()) {
    const at = index * SHIM_RECORD_BYTES;
    view.setUint32(at, kind === "unwritten" ? 0 : shimKinds[kind], true);
    view.setUint32(at + 4, thread, true);
    view.setBigUint64(at + 8, BigInt(address), true);
    view.setBigUint64(at + 16, BigInt(size), true);
    view.setBigUint64(at + 24, BigInt(other), true);
  }
  return bytes;
}

function read(lines: readonly Line[], operationsMax = 100): ShimRecords {
  const records = new ShimRecords(operationsMax);
  records.take(bytesOf(lines));
  return records;
}

const A = 0x7f8d_360f_2010;
const B = 0x5588_2318_52a0;

test("records become operations", () => {
  const records = read([
    ["malloc", A, 24],
    ["calloc", B, 300, 0, 1],
    ["free", A, 0, 0, 2],
    ["aligned", A, 100, 64],
    ["reallocBegin", B],
    ["reallocEnd", B + 64, 500, B],
  ]);
  const { trace, losses } = records.build("x");
  assert.equal(traceText(trace), [
    ...["malloc 0 24", "calloc 1 300 on 1", "free 0 on 2", "malloc 0 100 @64", "realloc 1 500"],
  ]);
  assert.equal(Object.values(losses), [0, 0, 0, 0, 0]);
  assert.not(records.hasMore);
});

test("two threads that reallocate at a time are told apart", () => {
  const { trace } = read([
    ["malloc", A, 1],
    ["malloc", B, 2],
    ["reallocBegin", A, 0, 0, 1],
    ["reallocBegin", B, 0, 0, 2],
    ["reallocEnd", A, 20, B, 2],
    ["reallocEnd", B, 10, A, 1],
  ]).build("x");
  assert.equal(traceText(trace).slice(2), ["realloc 1 20 on 2", "realloc 0 10 on 1"]);
});

test("requests that got nothing, and records that were not finished, are counted", () => {
  const { trace, losses } = read([
    ["malloc", A, 1],
    ["malloc", 0, 2 ** 50],
    ["reallocBegin", A],
    ["reallocEnd", 0, 2 ** 50, A],
    ["unwritten", 0],
    ["free", A],
    ["free", B],
  ]).build("x");
  assert.equal(traceText(trace), ["malloc 0 1", "free 0"]);
  assert.equal([losses.failedRequests, losses.skippedLines, losses.unknownAddresses], [2, 1, 1]);
});

test("what came before an exec is another program's", () => {
  const { trace, losses } = read([
    ["malloc", A, 1],
    ["exec", 0],
    ["malloc", A, 2],
  ]).build("x");
  assert.equal(traceText(trace), ["malloc 0 2"]);
  assert.is(losses.unseenFrees, 0);
});

test("a trace is cut after so many operations", () => {
  const records = read(
    [
      ["malloc", A, 1],
      ["malloc", B, 2],
      ["free", A],
    ],
    2,
  );
  assert.ok(records.hasMore);
  assert.equal(traceText(records.build("x").trace), ["malloc 0 1", "malloc 1 2"]);
});

test("the kinds have the numbers that they have in the shim", () => {
  const [, list = ""] = /enum \{ MALLOC = 1, (.*) \};/.exec(shimSource) ?? [];
  const names = ["MALLOC", ...list.split(", ")];
  const ours = Object.entries(shimKinds).sort(([, a], [, b]) => a - b);
  assert.equal(
    ours.map(([name]) => name.replaceAll(/[A-Z]/g, "_$&").toUpperCase()),
    names,
  );
  assert.equal(
    ours.map(([, number]) => number),
    names.map((_, index) => index + 1),
  );
});

test.run();
