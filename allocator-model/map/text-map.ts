/** The map for a terminal: the areas as a table, the pages as a grid of letters. Pure. */
import { PAGE_BYTES } from "../address-layout.ts";
import { type PageOwner, pageOwnerNames } from "../page-owners.ts";
import { ownerLetter, ownerUses } from "./owner-marks.ts";
import { bytesText, countText } from "./quantity.ts";
import type { MapSnapshot } from "./snapshot.ts";

export interface TextMapOptions {
  /** Pages a line; default 64. */
  readonly pagesPerLine?: number | undefined;
  /** For terminals only. */
  readonly isColoured?: boolean | undefined;
}

const DEFAULT_PAGES_PER_LINE = 64;
/** More lines than this that are the same become the first and a count. */
const SAME_LINES_MAX = 3;
const HEX_DIGITS_MIN = 8;

/** Select Graphic Rendition of ECMA-48: colours that every terminal has; the letters say the same. */
const COLOURS: Readonly<Record<PageOwner, number>> = {
  free: 90,
  cached: 37,
  mempool: 34,
  "half-page": 35,
  page: 32,
  large: 33,
  early: 36,
  debug: 31,
};

export function textMap(snapshot: MapSnapshot, options: TextMapOptions = {}): string {
  const { trace, scheme, operation, operations, pageCount } = snapshot;
  const { requestedBytes, usableBytes, footprintBytes } = snapshot;
  const head = [
    `${trace}, scheme ${scheme}, after ${countText(operation)} of ${countText(operations)} operations`,
    `memory ${bytesText(pageCount * PAGE_BYTES)}, footprint ${bytesText(footprintBytes)}, usable ${bytesText(usableBytes)}, requested ${bytesText(requestedBytes)}`,
  ];
  const blocks = [head, areaLines(snapshot), legendLines(snapshot, options)];
  return [...blocks, gridLines(snapshot, options)]
    .map((lines) => `${lines.join("\n")}\n`)
    .join("\n");
}

function areaLines({ areas }: MapSnapshot): string[] {
  const rows = areas.map(({ name, base, mapping, pages, use }, number) => [
    String(number),
    name,
    base,
    mapping,
    countText(pages),
    use,
  ]);
  return table(["AREA", "NAME", "BASE ADDRESS", "MAPPING", "PAGES", "USE"], rows, [0, 4]);
}

function legendLines({ pages }: MapSnapshot, options: TextMapOptions): string[] {
  const rows = pageOwnerNames.map((owner, code) => [
    ownerLetter(code),
    owner,
    countText(pages[owner]),
    bytesText(pages[owner] * PAGE_BYTES),
    ownerUses[owner],
  ]);
  const lines = table(["PAGE", "OWNER", "PAGES", "BYTES", "USE"], rows, [2, 3]);
  return lines.map((line, index) => {
    const owner = pageOwnerNames[index - 1];
    return owner === undefined ? line : paint(line.slice(0, 1), owner, options) + line.slice(1);
  });
}

/** A line begins with the physical address of its first page. */
function gridLines({ pageCount, runs }: MapSnapshot, options: TextMapOptions): string[] {
  const perLine = Math.max(1, options.pagesPerLine ?? DEFAULT_PAGES_PER_LINE);
  const digits = Math.max(HEX_DIGITS_MIN, (pageCount * PAGE_BYTES - 1).toString(16).length);
  const lines = [`${"PHYSICAL".padEnd(digits + 2)}  A LETTER A PAGE`];
  let page = 0;
  for (const { parts, repeats } of rowsOf(runs, perLine)) {
    const cells = parts.map(([owner, pages]) => {
      return paint(ownerLetter(pageOwnerNames.indexOf(owner)).repeat(pages), owner, options);
    });
    const shown = repeats > SAME_LINES_MAX ? 1 : repeats;
    for (let line = 0; line < shown; line += 1) {
      const address = ((page + line * perLine) * PAGE_BYTES).toString(16).padStart(digits, "0");
      lines.push(`0x${address}  ${cells.join("")}`);
    }
    if (shown < repeats) {
      const more = repeats - shown;
      const what = `${countText(more)} more lines like this, ${bytesText(more * perLine * PAGE_BYTES)}`;
      lines.push(`${"*".padStart(digits + 2)}  ${what}`);
    }
    page += repeats * perLine;
  }
  return lines;
}

interface GridRow {
  readonly parts: readonly (readonly [PageOwner, number])[];
  /** So many rows are the same, one after the other. */
  readonly repeats: number;
}

function* rowsOf(runs: MapSnapshot["runs"], perLine: number): Generator<GridRow> {
  let parts: (readonly [PageOwner, number])[] = [];
  let room = perLine;
  for (const [, pages, owner] of runs) {
    let rest = pages;
    while (rest > 0) {
      if (room === perLine && rest >= perLine) {
        yield { parts: [[owner, perLine]], repeats: Math.floor(rest / perLine) };
        rest %= perLine;
        continue;
      }
      const taken = Math.min(rest, room);
      parts.push([owner, taken]);
      rest -= taken;
      room -= taken;
      if (room > 0) continue;
      yield { parts, repeats: 1 };
      parts = [];
      room = perLine;
    }
  }
  if (parts.length > 0) yield { parts, repeats: 1 };
}

function paint(text: string, owner: PageOwner, { isColoured = false }: TextMapOptions): string {
  return isColoured ? `\x1b[${COLOURS[owner]}m${text}\x1b[39m` : text;
}

function table(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
  numbers: readonly number[],
): string[] {
  const all = [titles, ...rows];
  const widths = titles.map((_title, column) =>
    Math.max(...all.map((row) => row[column]?.length ?? 0)),
  );
  return all.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return numbers.includes(column) ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd(),
  );
}
