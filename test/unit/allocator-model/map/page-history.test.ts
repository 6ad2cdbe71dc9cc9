import fc from "fast-check";
import * as assert from "uvu/assert";
import {
  courseOf,
  HistoryReader,
  HistoryWriter,
  type PageHistory,
  pageRuns,
  peakSample,
} from "../../../../allocator-model/map/page-history.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("page history");

const PAGES = 300;

/** @param moments codes by page, at one sample after the other */
function historyOf(
  moments: readonly Uint8Array[],
  footprints: readonly number[] = [],
): PageHistory {
  const writer = new HistoryWriter(moments[0]?.length ?? 0);
  for (const [index, codes] of moments.entries()) {
    const figures = { requestedBytes: 0, usableBytes: 0, footprintBytes: footprints[index] ?? 0 };
    writer.add(codes, { operations: index, ...figures });
  }
  return writer.build({ name: "test", scheme: "proposal", operations: moments.length });
}

/** Changes of a few runs each, as allocators make them. */
const moments = fc
  .array(
    fc.array(fc.record({ first: fc.nat(PAGES), pages: fc.nat(90), code: fc.nat(7) }), {
      maxLength: 5,
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((steps) => {
    const codes = new Uint8Array(PAGES);
    return steps.map((runs) => {
      for (const { first, pages, code } of runs) codes.fill(code, first, first + pages);
      return codes.slice();
    });
  });

test("what was written is read at any time, in any order, with the time that a page's owner came", () => {
  fc.assert(
    fc.property(moments, fc.array(fc.nat(11), { maxLength: 8 }), (all, visits) => {
      const reader = new HistoryReader(historyOf(all));
      for (const visit of [0, ...visits]) {
        reader.seek(visit);
        const sample = Math.min(visit, all.length - 1);
        assert.is(reader.sample, sample);
        const codes = all[sample] ?? new Uint8Array();
        assert.equal([...reader.codes], [...codes]);
        for (let page = 0; page < PAGES; page += 7) {
          let since = sample;
          while (since > 0 && all[since - 1]?.[page] === codes[page]) since -= 1;
          assert.is(reader.since[page], since);
        }
      }
    }),
  );
});

test("the course of a page is its owner at each time", () => {
  fc.assert(
    fc.property(moments, fc.nat(PAGES - 1), (all, page) => {
      const course = courseOf(historyOf(all), page);
      assert.equal(
        [...course],
        all.map((codes) => codes[page]),
      );
    }),
  );
});

test("samples say how many pages each owner has", () => {
  const { samples } = historyOf([Uint8Array.of(0, 2, 2, 5), Uint8Array.of(7, 2, 2, 2)]);
  assert.equal(
    samples.map(({ pages }) => pages),
    [
      [1, 0, 2, 0, 0, 1, 0, 0],
      [0, 0, 3, 0, 0, 0, 0, 1],
    ],
  );
});

test("only what changes takes room", () => {
  const codes = new Uint8Array(2 ** 20).fill(2, 1000, 500_000);
  const { changes } = historyOf([codes, codes, codes]);
  // 1 run from page 1000 on: 1 + 2 + 3 + 1 bytes; then no run, twice.
  assert.is(changes.length, 9);
});

test("runs cover all pages, in order, and neighbours differ", () => {
  assert.equal([...pageRuns(new Uint8Array())], []);
  assert.equal(
    [...pageRuns(Uint8Array.of(3, 3, 0, 4))],
    [
      { first: 0, pages: 2, code: 3 },
      { first: 2, pages: 1, code: 0 },
      { first: 3, pages: 1, code: 4 },
    ],
  );
});

test("the peak is the first of the largest footprints", () => {
  const codes = new Uint8Array(1);
  assert.is(peakSample(historyOf([codes, codes, codes, codes], [1, 5, 5, 2])), 1);
  assert.is(peakSample(historyOf([codes], [0])), 0);
});

test.run();
