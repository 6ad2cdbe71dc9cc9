/** `windlass alloc replay`. */
import { layouts, PAGE_BYTES, type SchemeName } from "../../../allocator-model/address-layout.ts";
import type { TraceLosses } from "../../../allocator-model/address-trace.ts";
import { type Replay, replay } from "../../../allocator-model/replay.ts";
import type { Execute } from "../invocation.ts";
import { bytesText, percentText } from "../quantity-text.ts";
import { tableText } from "../table-text.ts";
import { readTraceInput } from "../trace-input.ts";

const TITLES = ["SCHEME", "FOOTPRINT", "REQUESTED", "INTERNAL", "OTHER", "EXTERNAL", "LOCKS"];
const REGION_TITLES = ["SCHEME", "REGION", "OBJECTS", "REQUESTED", "USABLE"];

export const execute: Execute<"alloc replay"> = async ({ operands, options, output }) => {
  const [path = ""] = operands;
  const { trace, losses } = await readTraceInput(path);
  const { scheme = "all", cpus, pages: pageCount } = options;
  const schemes = scheme === "all" ? (Object.keys(layouts) as SchemeName[]) : [scheme];
  const replays = schemes.map((one) => replay(trace, { scheme: one, cpus, pageCount }));
  const { name, length: operations } = trace;
  if (options.json) {
    await output.json({ name, operations, cpus: trace.cpus, losses, replays });
    return 0;
  }
  for (const note of lossNotes(losses)) output.note(note);
  for (const { scheme: one, failed, pageCount: pages } of replays) {
    if (failed > 0) output.note(`${one}: ${failed} requests failed with ${pages} pages`);
  }
  const [{ pageCount: pages, cpus: heapCpus } = { pageCount: 0, cpus: 0 }] = replays;
  const machine = `${heapCpus === 1 ? "1 CPU" : `${heapCpus} CPUs`}, ${bytesText(pages * PAGE_BYTES)}`;
  await output.print(`${name}: ${operations} operations; ${machine}; at the peak:\n\n`);
  await output.print(`${tableText(TITLES, replays.map(row))}\n`);
  await output.print(tableText(REGION_TITLES, replays.flatMap(regionRows)));
  return 0;
};

function row({ scheme, peak, lockAcquisitions }: Replay): string[] {
  const { footprintBytes, requestedBytes, internalWasteBytes, otherWasteBytes } = peak;
  return [
    scheme,
    bytesText(footprintBytes),
    bytesText(requestedBytes),
    bytesText(internalWasteBytes),
    bytesText(otherWasteBytes),
    percentText(peak.externalFragmentation),
    String(lockAcquisitions),
  ];
}

function regionRows({ scheme, peak }: Replay): string[][] {
  return Object.entries(peak.regions).map(([region, { objects, requestedBytes, usableBytes }]) => [
    ...[scheme, region, String(objects), bytesText(requestedBytes), bytesText(usableBytes)],
  ]);
}

/** What is not in the trace as it stood in the file: a line each. */
function lossNotes(losses: TraceLosses): string[] {
  const notes: readonly (readonly [number, string])[] = [
    [losses.skippedLines, "lines that are not about memory, or cannot be read"],
    [losses.failedRequests, "requests that had got no memory"],
    [losses.unknownAddresses, "frees and reallocs of addresses that nobody was seen to get"],
    [losses.unseenFrees, "objects that were freed unseen"],
    [losses.oversizedObjects, "objects of 4 GiB and more, left out"],
  ];
  return notes.filter(([count]) => count > 0).map(([count, what]) => `${what}: ${count}`);
}
