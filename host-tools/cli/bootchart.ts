/** What `windlass run --bootchart` shows: the time line of a start. Text part pure. */
import type { BootPhase, BootSpan } from "../instance/boot-marks.ts";
import { elapsedText } from "./quantity-text.ts";

/** The JSON of --bootchart: times in milliseconds from the begin of the start. */
export interface Bootchart {
  readonly totalMs: number;
  readonly spans: readonly BootSpan[];
}

const LABELS: Readonly<Record<BootPhase, string>> = {
  prepare: "files and ports",
  qemu: "QEMU",
  firmware: "firmware",
  kernel: "kernel",
  init: "first stage, init",
  boot: "kernel and init",
  agent: "agent",
  program: "program",
  "rest-api": "REST API",
  load: "load",
  wake: "wake",
  answer: "first answer",
};

/** Room for the bars is what labels and times leave of it. */
const COLUMNS = 80;
const TITLES = ["phase", "begin", "takes"] as const;

export function bootchartOf(spans: readonly BootSpan[]): Bootchart {
  const rounded = spans.map(({ phase, beginMs, endMs }) => {
    return { phase, beginMs: Math.round(beginMs), endMs: Math.round(endMs) };
  });
  return { totalMs: Math.max(0, ...rounded.map(({ endMs }) => endMs)), spans: rounded };
}

/** A table with a bar for every phase, at most 80 columns wide. */
export function bootchartText({ spans, totalMs }: Bootchart): string {
  if (spans.length === 0) return "There is no time line of this start\n";
  const rows = spans.map(({ phase, beginMs, endMs }) => [
    LABELS[phase],
    elapsedText(beginMs),
    elapsedText(endMs - beginMs),
  ]);
  const all = [TITLES, ...rows, ["in all", "", elapsedText(totalMs)]];
  const widths = TITLES.map((_title, column) =>
    Math.max(...all.map((row) => row[column]?.length ?? 0)),
  );
  const [first = 0, ...others] = widths;
  const barColumns = COLUMNS - first - others.reduce((sum, width) => sum + width + 2, 2);
  const lines = all.map(([label = "", ...times], index) => {
    const cells = times.map((time, column) => time.padStart(others[column] ?? 0));
    const span = spans[index - 1];
    const bar = span ? barText(span, totalMs, barColumns) : "";
    return [label.padEnd(first), ...cells, bar].join("  ").trimEnd();
  });
  return `${lines.join("\n")}\n`;
}

/** A phase that took any time at all is seen. */
function barText({ beginMs, endMs }: BootSpan, totalMs: number, columns: number): string {
  if (totalMs === 0) return "";
  const at = (ms: number): number => Math.round((ms / totalMs) * columns);
  const begin = Math.min(at(beginMs), columns - 1);
  const length = endMs > beginMs ? Math.max(1, at(endMs) - begin) : 0;
  return " ".repeat(begin) + "#".repeat(length);
}
