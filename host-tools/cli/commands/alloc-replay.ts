/** `windlass alloc replay`. */
import { layouts, PAGE_BYTES, type SchemeName } from "../../../allocator-model/address-layout.ts";
import type { TraceLosses } from "../../../allocator-model/address-trace.ts";
import { type Replay, type ReplayOptions, replay } from "../../../allocator-model/replay.ts";
import type { Trace } from "../../../allocator-model/trace.ts";
import type { Execute } from "../invocation.ts";
import { bytesText, countText, percentText } from "../quantity-text.ts";
import { tableText } from "../table-text.ts";
import { readTraceInput } from "../trace-input.ts";

const TITLES = ["SCHEME", "FOOTPRINT", "REQUESTED", "INTERNAL", "OTHER", "EXTERNAL", "LOCKS"];
const REGION_TITLES = ["SCHEME", "REGION", "OBJECTS", "REQUESTED", "USABLE"];

export const execute: Execute<"alloc replay"> = async ({ operands, options, output }) => {
  const [path = ""] = operands;
  const { trace, losses } = await readTraceInput(path);
  const { scheme = "all", cpus, pages } = options;
  const schemes = scheme === "all" ? (Object.keys(layouts) as SchemeName[]) : [scheme];
  const replays = replaysOnOneMachine(trace, schemes, { cpus, pageCount: pages });
  const { name, length: operations } = trace;
  if (options.json) {
    await output.json({ name, operations, cpus: trace.cpus, losses, replays });
    return 0;
  }
  for (const note of lossNotes(losses)) output.note(note);
  for (const { scheme: one, failed, pageCount } of replays) {
    if (failed > 0) {
      const requests = countText(failed, "request");
      output.note(`${one}: ${requests} failed with ${countText(pageCount, "page")}`);
    }
  }
  const machine = replays[0] ? machineText(replays[0]) : "";
  await output.print(
    `${name}: ${countText(operations, "operation")}; ${machine}; at the peak:\n\n`,
  );
  await output.print(`${tableText(TITLES, replays.map(row))}\n`);
  await output.print(tableText(REGION_TITLES, replays.flatMap(regionRows)));
  return 0;
};

/** External fragmentation depends on how much memory there is. */
function replaysOnOneMachine(
  trace: Trace,
  schemes: readonly SchemeName[],
  options: Omit<ReplayOptions, "scheme">,
): Replay[] {
  const replays = schemes.map((scheme) => replay(trace, { ...options, scheme }));
  const pageCount = Math.max(...replays.map((one) => one.pageCount));
  return replays.map((one) =>
    one.pageCount === pageCount
      ? one
      : replay(trace, { ...options, scheme: one.scheme, pageCount }),
  );
}

function machineText({ cpus, pageCount }: Replay): string {
  return `${countText(cpus, "CPU")}, ${bytesText(pageCount * PAGE_BYTES)}`;
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
