/** `windlass alloc map`. */
import { htmlPage } from "../../../allocator-model/map/html-page.ts";
import {
  HistoryReader,
  type PageHistory,
  peakSample,
} from "../../../allocator-model/map/page-history.ts";
import { equalSteps, recordHistory } from "../../../allocator-model/map/recording.ts";
import { mapSnapshot } from "../../../allocator-model/map/snapshot.ts";
import { textMap } from "../../../allocator-model/map/text-map.ts";
import { openResultFile, type ResultFile } from "../../allocator/result-file.ts";
import { HostError } from "../../errors.ts";
import type { Execute } from "../invocation.ts";
import { pageParts } from "../map-page.ts";
import { printableLine } from "../printable-text.ts";
import { bytesText, countText } from "../quantity-text.ts";
import { readTraceInput } from "../trace-input.ts";
import { shareOfTrace } from "../trace-time.ts";

const SAMPLES_DEFAULT = 200;
const SAMPLES_MAX = 10_000;
const WIDTH_MAX = 4096;

export const execute: Execute<"alloc map"> = async ({ operands, options, output }) => {
  const { scheme = "proposal", samples = SAMPLES_DEFAULT, width, pages: pageCount } = options;
  checkRange("--samples", samples, SAMPLES_MAX);
  if (width !== undefined) checkRange("--width", width, WIDTH_MAX);
  const share = options.at === undefined ? undefined : shareOfTrace(options.at);
  const { output: path } = options;
  await using file = path === undefined ? undefined : await openResultFile(path);
  const { trace } = await readTraceInput(operands[0] ?? "");
  const at =
    share === undefined ? equalSteps(trace.length, samples) : [Math.round(trace.length * share)];
  const { history, failed } = recordHistory(trace, { scheme, pageCount, at });
  if (failed > 0)
    output.note(
      `Requests that got no memory of ${countText(history.pageCount, "page")}: ${failed}`,
    );

  if (file && path !== undefined) {
    const sizeBytes = await writePage(file, history);
    output.note(summary(history, path, sizeBytes));
    return 0;
  }
  const reader = new HistoryReader(history);
  reader.seek(peakSample(history));
  const snapshot = mapSnapshot(reader);
  if (options.json) await output.json(snapshot);
  else {
    const isColoured = output.isTerminal && !process.env["NO_COLOR"];
    const text = textMap(
      { ...snapshot, trace: printableLine(snapshot.trace) },
      { pagesPerLine: width, isColoured },
    );
    await output.print(text);
  }
  return 0;
};

/** @returns the size in bytes */
async function writePage(file: ResultFile, history: PageHistory): Promise<number> {
  const page = htmlPage(history, await pageParts());
  await file.write(page);
  return Buffer.byteLength(page);
}

function summary({ samples, name }: PageHistory, path: string, sizeBytes: number): string {
  const times = countText(samples.length, "time");
  const file = `${printableLine(path)} (${bytesText(sizeBytes)})`;
  return `Wrote the map of ${printableLine(name)} at ${times} to ${file}`;
}

function checkRange(option: string, value: number, most: number): void {
  if (value >= 1 && value <= most) return;
  throw new HostError("WL_USAGE", `${option} cannot be ${value}`, { next: `Give 1 to ${most}` });
}
