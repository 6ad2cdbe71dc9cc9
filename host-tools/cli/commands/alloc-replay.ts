/** `windlass alloc replay`. */
import { open } from "node:fs/promises";
import { basename } from "node:path";
import { layouts, PAGE_BYTES, type SchemeName } from "../../../allocator-model/address-layout.ts";
import type { ReadTrace, TraceLosses } from "../../../allocator-model/address-trace.ts";
import { type Replay, replay } from "../../../allocator-model/replay.ts";
import { readTrace } from "../../../allocator-model/trace-reader.ts";
import { HostError } from "../../errors.ts";
import type { Execute } from "../invocation.ts";
import { bytesText, percentText } from "../quantity-text.ts";
import { tableText } from "../table-text.ts";

const TITLES = ["SCHEME", "FOOTPRINT", "REQUESTED", "INTERNAL", "OTHER", "EXTERNAL", "LOCKS"];
const REGION_TITLES = ["SCHEME", "REGION", "OBJECTS", "REQUESTED", "USABLE"];
/** A text is a string, and strings have a limit of 512 MiB. */
const FILE_BYTES_MAX = 2 ** 28;

export const execute: Execute<"alloc replay"> = async ({ operands, options, output }) => {
  const [path = ""] = operands;
  const { trace, losses } = await readTraceFile(path);
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

async function readTraceFile(path: string): Promise<ReadTrace> {
  await using file = await open(path);
  const { size } = await file.stat();
  if (size > FILE_BYTES_MAX) {
    const text = `"${path}" has ${bytesText(size)}, more than ${bytesText(FILE_BYTES_MAX)}`;
    throw new HostError("WL_USAGE", text, {
      next: "Give a part of it, for example its first lines",
    });
  }
  return readTrace(await file.readFile(), basename(path));
}

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

/** What is not in the trace as it stood in the file: a sentence each. */
function lossNotes(losses: TraceLosses): string[] {
  const notes: readonly (readonly [number, string])[] = [
    [losses.skippedLines, "lines are not about memory, or cannot be read"],
    [losses.failedRequests, "requests had got no memory"],
    [losses.unknownAddresses, "frees or reallocs are of addresses that nobody was seen to get"],
    [losses.unseenFrees, "objects were freed unseen"],
    [losses.oversizedObjects, "objects of 4 GiB and more are left out"],
  ];
  return notes.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
}
