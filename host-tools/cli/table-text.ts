/** Rows as a table for people: columns as wide as their widest cell, three spaces between. Pure. */
import { printableLine } from "./printable-text.ts";

const GAP = "   ";

/** @param rows cells may come from guests: they are made printable */
export function tableText(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [titles, ...rows].map((row) => row.map(printableLine));
  const widths = titles.map((_title, column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0)),
  );
  const lines = cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join(GAP)
      .trimEnd(),
  );
  return `${lines.join("\n")}\n`;
}

/** At most so many characters; a longer text ends in "…". */
export function shortened(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
