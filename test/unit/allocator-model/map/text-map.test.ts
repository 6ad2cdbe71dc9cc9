import * as assert from "uvu/assert";
import type { SchemeName } from "../../../../allocator-model/address-layout.ts";
import { HistoryReader, HistoryWriter } from "../../../../allocator-model/map/page-history.ts";
import { mapSnapshot } from "../../../../allocator-model/map/snapshot.ts";
import { textMap } from "../../../../allocator-model/map/text-map.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("text map");

function snapshotOf(codes: Uint8Array, scheme: SchemeName = "proposal") {
  const writer = new HistoryWriter(codes.length);
  writer.add(codes, {
    operations: 1234,
    requestedBytes: 10_000,
    usableBytes: 12_288,
    footprintBytes: 20_480,
  });
  const history = writer.build({ name: "server.wlat", scheme, operations: 5000 });
  return mapSnapshot(new HistoryReader(history));
}

function grid(text: string): string[] {
  const lines = text.trimEnd().split("\n");
  return lines.slice(lines.findIndex((line) => line.startsWith("PHYSICAL")) + 1);
}

test("says what is shown, and the areas with the pages whose objects are seen there", () => {
  const text = textMap(snapshotOf(Uint8Array.of(2, 2, 3, 4, 5, 5, 6, 7, 1, 0)));
  const lines = text.split("\n");
  assert.is(lines[0], "server.wlat, scheme proposal, after 1,234 of 5,000 operations");
  assert.is(lines[1], "memory 40 KiB, footprint 20 KiB, usable 12 KiB, requested 9.8 KiB");
  const areas = lines.slice(4, 12).map((line) => line.trim().split(/ {2,}/).slice(0, 5));
  assert.equal(areas, [
    ["0", "mempool", "0xffff800000000000", "identity", "2"],
    ["1", "page", "0xffff900000000000", "identity", "1"],
    ["2", "half-page", "0xffffa00000000000", "identity", "1"],
    ["3", "large", "0xffffb00000000000", "identity", "2"],
    ["4", "reserved", "0xffffc00000000000", "none", "0"],
    ["5", "reserved", "0xffffd00000000000", "none", "0"],
    ["6", "early", "0xffffe00000000000", "identity", "1"],
    ["7", "debug", "0xfffff00000000000", "table", "1"],
  ]);
  assert.equal(grid(text), ["0x00000000  mmhpLLedc."]);
});

test("in the other schemes several owners are seen in one area", () => {
  const codes = Uint8Array.of(2, 2, 4, 5, 6);
  const pages = (scheme: SchemeName) =>
    snapshotOf(codes, scheme).areas.map((area) => [area.name, area.pages]);
  assert.equal(pages("offset-2013"), [["main", 5]]);
  assert.equal(pages("osv"), [
    ["main", 1],
    ["page", 1],
    ["mempool", 3],
    ["debug", 0],
  ]);
});

test("lines begin with the address of their first page; the last one may be short", () => {
  const text = textMap(snapshotOf(Uint8Array.of(2, 0, 0, 5, 5, 5, 5, 5, 5, 5)), {
    pagesPerLine: 4,
  });
  assert.equal(grid(text), ["0x00000000  m..L", "0x00004000  LLLL", "0x00008000  LL"]);
});

test("many lines of the same owner become one", () => {
  const codes = new Uint8Array(16 * 1000).fill(5, 3, 16 * 500);
  const lines = grid(textMap(snapshotOf(codes), { pagesPerLine: 16 }));
  assert.equal(lines, [
    "0x00000000  ...LLLLLLLLLLLLL",
    "0x00010000  LLLLLLLLLLLLLLLL",
    "         *  498 more lines like this, 31.1 MiB",
    "0x01f40000  ................",
    "         *  499 more lines like this, 31.2 MiB",
  ]);
});

test("addresses of large memories have all their digits", () => {
  const codes = new Uint8Array(2 ** 21);
  codes[2 ** 21 - 1] = 2;
  const lines = grid(textMap(snapshotOf(codes)));
  assert.match(lines[0] ?? "", /^0x000000000 {2}\.{64}$/);
  assert.match(lines.at(-1) ?? "", /^0x1fffc0000 {2}\.{63}m$/);
});

test("colour only where it is asked for, and letters say the same without", () => {
  const snapshot = snapshotOf(Uint8Array.of(2, 2, 5));
  const coloured = textMap(snapshot, { isColoured: true });
  assert.match(coloured, "\x1b[34mmm\x1b[39m\x1b[33mL\x1b[39m");
  assert.is(coloured.replaceAll(/\x1b\[\d+m/g, ""), textMap(snapshot));
});

test("the snapshot has all pages as runs", () => {
  const { runs, pages, pageCount } = snapshotOf(Uint8Array.of(2, 2, 3, 0));
  assert.equal(runs, [
    [0, 2, "mempool"],
    [2, 1, "half-page"],
    [3, 1, "free"],
  ]);
  assert.is(
    Object.values(pages).reduce((sum, count) => sum + count, 0),
    pageCount,
  );
});

test.run();
