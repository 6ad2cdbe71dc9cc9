import fc from "fast-check";
import * as assert from "uvu/assert";
import { GridView } from "../../../../../allocator-model/map/page/grid-view.ts";
import { suite } from "../../../../support/suite.ts";

const test = suite("view of the page grid");

const SIZE = { width: 800, height: 500 };
const TINY = 1e-6;

const pageCount = fc.integer({ min: 1, max: 2 ** 22 });
const size = fc.record({
  width: fc.integer({ min: 50, max: 3000 }),
  height: fc.integer({ min: 50, max: 2000 }),
});
const move = fc.oneof(
  fc.record({
    x: fc.nat(3000),
    y: fc.nat(2000),
    factor: fc.double({ min: 0.1, max: 9, noNaN: true }),
  }),
  fc.record({ x: fc.integer({ min: -900, max: 900 }), y: fc.integer({ min: -900, max: 900 }) }),
);

function isNear(a: number, b: number, within = TINY): boolean {
  return Math.abs(a - b) <= within * Math.max(1, Math.abs(a), Math.abs(b));
}

test("all of memory is seen at first", () => {
  fc.assert(
    fc.property(pageCount, size, (pages, room) => {
      const view = new GridView(pages, room);
      assert.ok(view.columns * view.rows >= pages);
      assert.is(2 ** Math.round(Math.log2(view.columns)), view.columns);
      for (const page of [0, pages - 1]) {
        const { left, top, width, height } = view.rectangleOf(page);
        assert.ok(left >= -TINY && left + width <= room.width + TINY);
        assert.ok(top >= -TINY && top + height <= room.height + TINY);
      }
    }),
  );
});

test("the page in the middle of a page's place is that page, wherever one has gone", () => {
  fc.assert(
    fc.property(
      pageCount,
      size,
      fc.array(move, { maxLength: 6 }),
      fc.nat(),
      (pages, room, moves, n) => {
        const view = new GridView(pages, room);
        for (const one of moves) {
          if ("factor" in one) view.zoomAt(one.x, one.y, one.factor);
          else view.panBy(one.x, one.y);
        }
        const page = n % pages;
        const { left, top, width, height } = view.rectangleOf(page);
        assert.is(view.pageAt(left + width / 2, top + height / 2), page);
        view.show(page);
        const shown = view.rectangleOf(page);
        assert.ok(shown.left + shown.width > -TINY && shown.left < room.width + TINY);
        assert.ok(shown.top + shown.height > -TINY && shown.top < room.height + TINY);
      },
    ),
  );
});

test("zooming leaves what is under the pointer", () => {
  const view = new GridView(4096, SIZE);
  view.zoomAt(400, 250, 4);
  const page = view.pageAt(300, 200);
  const before = { x: (300 - view.left) / view.scale, y: (200 - view.top) / view.scale };
  view.zoomAt(300, 200, 1.7);
  assert.is(view.pageAt(300, 200), page);
  assert.ok(isNear((300 - view.left) / view.scale, before.x));
  assert.ok(isNear((200 - view.top) / view.scale, before.y));
});

test("there is an end to zooming and panning", () => {
  const view = new GridView(4096, SIZE);
  const fitted = view.scale;
  view.zoomAt(0, 0, 0.01);
  assert.is(view.scale, fitted);
  view.zoomAt(0, 0, 1e9);
  assert.is(view.scale, 64);
  view.panBy(1e6, 1e6);
  assert.is(view.left, 0);
  assert.is(view.top, 0);
  view.panBy(-1e6, -1e6);
  assert.is(view.pageAt(SIZE.width - 1, SIZE.height - 1), 4095);
});

test("where no page is there is none", () => {
  const view = new GridView(100, SIZE);
  assert.is(view.pageAt(-1, 10), undefined);
  assert.is(view.pageAt(SIZE.width + 1, 10), undefined);
  const last = view.rectangleOf(99);
  if (view.columns * view.rows > 100) {
    assert.is(view.pageAt(last.left + last.width + 1, last.top + 1), undefined);
  }
});

test("another size of the window keeps all of memory in it", () => {
  const view = new GridView(4096, SIZE);
  view.resize({ width: 400, height: 300 });
  const { left, top, width, height } = view.rectangleOf(4095);
  assert.ok(left + width <= 400 + TINY && top + height <= 300 + TINY);
});

test.run();
