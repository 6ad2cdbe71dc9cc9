/**
 * Who used each page of memory while a trace was replayed, at points of time: what the map shows. Kept as the
 * differences from one point to the next. Pure; the page in the browser reads it with the same code.
 */
import type { SchemeName } from "../address-layout.ts";
import { pageOwnerNames } from "../page-owners.ts";

/** One point of time. */
export interface HistorySample {
  /** Operations of the trace that are done. */
  readonly operations: number;
  /** Of live objects: as asked for. */
  readonly requestedBytes: number;
  /** Of live objects: as malloc_usable_size(3) says. */
  readonly usableBytes: number;
  /** Of pages that are neither free nor in a page pool. */
  readonly footprintBytes: number;
  /** By the owner's code. */
  readonly pages: readonly number[];
}

export interface PageHistory {
  /** The trace's. */
  readonly name: string;
  readonly scheme: SchemeName;
  /** Of the whole trace. */
  readonly operations: number;
  readonly pageCount: number;
  readonly samples: readonly HistorySample[];
  /**
   * For each sample the pages whose owner is another than at the sample before; before the first all pages are
   * free. The number of runs, then three numbers a run: pages from the end of the run before it, pages, code of
   * the owner. Numbers are LEB128, low bits first.
   */
  readonly changes: Uint8Array<ArrayBuffer>;
}

export class HistoryWriter {
  readonly #codes: Uint8Array;
  readonly #samples: HistorySample[] = [];
  readonly #bytes: number[] = [];

  constructor(pageCount: number) {
    this.#codes = new Uint8Array(pageCount);
  }

  /** @param codes the owners' codes by page, as they are now */
  add(codes: Uint8Array, figures: Omit<HistorySample, "pages">): void {
    const runs = [...runsOfChange(this.#codes, codes)];
    this.#number(runs.length);
    let end = 0;
    for (const { first, pages, code } of runs) {
      this.#number(first - end);
      this.#number(pages);
      this.#number(code);
      end = first + pages;
    }
    this.#codes.set(codes);
    this.#samples.push({ ...figures, pages: countByOwner(codes) });
  }

  build(trace: Pick<PageHistory, "name" | "scheme" | "operations">): PageHistory {
    const { name, scheme, operations } = trace;
    const pageCount = this.#codes.length;
    const samples = [...this.#samples];
    const changes = new Uint8Array(this.#bytes);
    return { name, scheme, operations, pageCount, samples, changes };
  }

  #number(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      this.#bytes.push((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.#bytes.push(rest);
  }
}

/** The pages at one point of time; any may be gone to. */
export class HistoryReader {
  readonly history: PageHistory;
  /** Codes of the owners by page. */
  readonly codes: Uint8Array;
  /** By page, the sample that first had its present owner. */
  readonly since: Uint32Array;
  #sample = -1;
  #changes: ChangeReader;

  /** At the first sample. */
  constructor(history: PageHistory) {
    this.history = history;
    this.#changes = new ChangeReader(history.changes);
    this.codes = new Uint8Array(history.pageCount);
    this.since = new Uint32Array(history.pageCount);
    this.seek(0);
  }

  get sample(): number {
    return this.#sample;
  }

  /** @param sample a number from 0 up; one that is not there becomes the nearest */
  seek(sample: number): void {
    const target = Math.min(Math.max(sample, 0), this.history.samples.length - 1);
    if (target < this.#sample) {
      this.codes.fill(0);
      this.since.fill(0);
      this.#sample = -1;
      this.#changes = new ChangeReader(this.history.changes);
    }
    while (this.#sample < target) this.#step();
  }

  #step(): void {
    this.#sample += 1;
    for (const { first, pages, code } of this.#changes.next()) {
      this.codes.fill(code, first, first + pages);
      this.since.fill(this.#sample, first, first + pages);
    }
  }
}

/** Reads the changes of one sample after the other. */
class ChangeReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  *next(): Generator<PageRun> {
    let end = 0;
    for (let runs = this.#number(); runs > 0; runs -= 1) {
      const first = end + this.#number();
      const pages = this.#number();
      end = first + pages;
      yield { first, pages, code: this.#number() };
    }
  }

  #number(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes[this.#at] ?? 0;
      this.#at += 1;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  }
}

/** @returns by sample, the code of a page's owner */
export function courseOf({ samples, changes }: PageHistory, page: number): Uint8Array {
  const course = new Uint8Array(samples.length);
  const reader = new ChangeReader(changes);
  for (let sample = 0; sample < samples.length; sample += 1) {
    for (const { first, pages, code } of reader.next()) {
      if (page >= first && page < first + pages) course.fill(code, sample);
    }
  }
  return course;
}

export interface PageRun {
  readonly first: number;
  readonly pages: number;
  readonly code: number;
}

/** Neighbours of one owner, in order. */
export function* pageRuns(codes: Uint8Array): Generator<PageRun> {
  let first = 0;
  for (let page = 1; page <= codes.length; page += 1) {
    const code = codes[first] ?? 0;
    if (page < codes.length && codes[page] === code) continue;
    yield { first, pages: page - first, code };
    first = page;
  }
}

export function countByOwner(codes: Uint8Array): number[] {
  const counts = pageOwnerNames.map(() => 0);
  for (const code of codes) counts[code] = (counts[code] ?? 0) + 1;
  return counts;
}

/** The sample with the largest footprint; the first of them. */
export function peakSample({ samples }: PageHistory): number {
  let peak = 0;
  for (const [index, { footprintBytes }] of samples.entries()) {
    if (footprintBytes > (samples[peak]?.footprintBytes ?? 0)) peak = index;
  }
  return peak;
}

function* runsOfChange(before: Uint8Array, after: Uint8Array): Generator<PageRun> {
  let page = 0;
  while (page < after.length) {
    const first = page;
    const code = after[first] ?? 0;
    while (page < after.length && after[page] === code && before[page] !== code) page += 1;
    if (page > first) yield { first, pages: page - first, code };
    else page += 1;
  }
}
