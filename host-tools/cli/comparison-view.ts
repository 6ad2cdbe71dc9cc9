/** What `windlass alloc compare` shows of one trace. Pure. */
import type { Comparison } from "../allocator/comparison.ts";
import { bytesText, elapsedText, percentText } from "./quantity-text.ts";
import { tableText } from "./table-text.ts";

const TITLES = [
  ...["ALLOCATOR", "FOOTPRINT", "OF REQUESTED", "INTERNAL", "OTHER", "EXTERNAL", "TIME"],
];
const NO_FIGURE = "-";

export function comparisonText(comparison: Comparison): string {
  const { trace, operations, cpus, requestedBytes, rows } = comparison;
  const head = [
    `${trace}: ${operations} operations`,
    cpus === 1 ? "1 CPU" : `${cpus} CPUs`,
    `at most ${bytesText(requestedBytes)} requested at a time`,
  ].join("; ");
  const cells = rows.map((row) => {
    if ("missingPackage" in row) {
      return [row.allocator, ...TITLES.slice(1).map(() => NO_FIGURE), missingText(row)];
    }
    return [
      row.allocator,
      bytesText(row.footprintBytes),
      requestedBytes === 0 ? NO_FIGURE : (row.footprintBytes / requestedBytes).toFixed(2),
      bytesText(row.internalWasteBytes),
      bytesText(row.otherWasteBytes),
      row.externalFragmentation === undefined ? NO_FIGURE : percentText(row.externalFragmentation),
      elapsedText(row.elapsedMs),
      "",
    ];
  });
  const hasNotes = rows.some((row) => "missingPackage" in row);
  return `${head}\n\n${tableText(hasNotes ? [...TITLES, "NOTE"] : TITLES, cells)}`;
}

function missingText({ missingPackage }: { readonly missingPackage: string }): string {
  return `not here: apt-get install ${missingPackage}`;
}
