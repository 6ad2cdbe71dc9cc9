/** Replays a trace on a heap and writes down who uses which page: the history that a map shows. */
import type { SchemeName } from "../address-layout.ts";
import { Heap } from "../heap.ts";
import { CPUS_MAX, firstPageCount, PAGES_MAX, TraceRun } from "../replay.ts";
import type { Trace } from "../trace.ts";
import { HistoryWriter, type PageHistory } from "./page-history.ts";

export interface RecordingOptions {
  readonly scheme: SchemeName;
  /** Of memory. Default: the smallest power of two, up to 4 GiB, with which nothing fails. */
  readonly pageCount?: number | undefined;
  /** After how many operations samples are taken: rising numbers, up to the trace's length. */
  readonly at: readonly number[];
}

export interface RecordedHistory {
  readonly history: PageHistory;
  /** Requests that got no memory. */
  readonly failed: number;
}

/** @returns so many points at equal distances, and the begin */
export function equalSteps(operations: number, count: number): number[] {
  const points = Array.from({ length: count + 1 }, (_none, index) =>
    Math.round((operations * index) / Math.max(count, 1)),
  );
  return [...new Set(points)];
}

/** @throws {AllocatorError} WL_ALLOC_RANGE for a number of pages that memory cannot have */
export function recordHistory(trace: Trace, options: RecordingOptions): RecordedHistory {
  if (options.pageCount !== undefined) return record(trace, options, options.pageCount);
  for (let pageCount = firstPageCount(trace); ; pageCount *= 2) {
    const recorded = record(trace, options, pageCount);
    if (recorded.failed === 0 || pageCount >= PAGES_MAX) return recorded;
  }
}

function record(
  trace: Trace,
  { scheme, at }: RecordingOptions,
  pageCount: number,
): RecordedHistory {
  const cpus = Math.min(trace.cpus, CPUS_MAX);
  const heap = new Heap({ scheme, pageCount, cpus });
  const run = new TraceRun(trace, heap, cpus, true);
  const writer = new HistoryWriter(pageCount);
  for (const operations of at) {
    run.advance(operations);
    const { requestedBytes, usableBytes } = run;
    const { footprintBytes, owners } = heap;
    writer.add(owners.codes, { operations, requestedBytes, usableBytes, footprintBytes });
  }
  // Whatever is shown, memory is as large as the whole trace needs it.
  const { name, length } = trace;
  run.advance(length);
  return { history: writer.build({ name, scheme, operations: length }), failed: run.failed };
}
