/** `windlass alloc explain`. */
import { decodeAddress } from "../../../allocator-model/address.ts";
import { layouts, type SchemeName } from "../../../allocator-model/address-layout.ts";
import {
  type Explanation,
  explainAddress,
  explanationText,
} from "../../../allocator-model/explanation.ts";
import { Heap } from "../../../allocator-model/heap.ts";
import { inspectAddress, physicalIn } from "../../../allocator-model/inspection.ts";
import { type InspectedAddress, inspectionRows } from "../../../allocator-model/inspection-text.ts";
import { followPlaces } from "../../../allocator-model/object-history.ts";
import { replay, TraceRun } from "../../../allocator-model/replay.ts";
import type { Trace } from "../../../allocator-model/trace.ts";
import { HostError } from "../../errors.ts";
import type { Execute } from "../invocation.ts";
import { printableLine } from "../printable-text.ts";
import { countText } from "../quantity-text.ts";
import { readTraceInput } from "../trace-input.ts";
import { shareOfTrace } from "../trace-time.ts";

export const execute: Execute<"alloc explain"> = async ({ operands, options, output }) => {
  const { scheme = "proposal", at, pages } = options;
  const addresses = operands.map(addressFrom);
  const explanations = addresses.map((address) => explainAddress(layouts[scheme], address));
  if (options.trace === undefined) {
    if (at !== undefined || pages !== undefined) {
      throw new HostError("WL_USAGE", "--at and --pages are about a trace", {
        next: "Write --trace FILE, or --trace workload:NAME",
      });
    }
    if (options.json) await output.json(explanations);
    else await output.print(textOf(explanations.map((one) => explanationText(one))));
    return 0;
  }
  const share = shareOfTrace(at ?? "END");
  const { trace } = await readTraceInput(options.trace);
  const look = lookAt(trace, addresses, { scheme, share, pageCount: pages });
  if (look.failed > 0) output.note(`Requests that got no memory: ${look.failed}`);
  if (options.json) {
    const { name, length } = trace;
    const when = { trace: name, operation: look.operation, operations: length };
    await output.json(explanations.map((one, index) => jsonOf(one, look.found[index], when)));
    return 0;
  }
  const when = `${printableLine(trace.name)} after ${look.operation} of ${countText(trace.length, "operation")}`;
  const texts = explanations.map((one, index) => {
    const found = look.found[index];
    const rows = found ? inspectionRows(found) : [];
    return explanationText(one, [["trace", when], ...rows]);
  });
  await output.print(textOf(texts));
  return 0;
};

/** No object's place. */
const NOWHERE = -1;

interface Look {
  readonly operation: number;
  readonly failed: number;
  /** As the addresses. */
  readonly found: readonly InspectedAddress[];
}

interface LookOptions {
  readonly scheme: SchemeName;
  /** Undefined for the peak. */
  readonly share: number | undefined;
  readonly pageCount: number | undefined;
}

/** What is at addresses of the model when it has done a part of a trace. */
function lookAt(
  trace: Trace,
  addresses: readonly bigint[],
  { scheme, share, pageCount: pages }: LookOptions,
): Look {
  const { pageCount, cpus, peak } = replay(trace, { scheme, pageCount: pages });
  const end = share === undefined ? peak.operation : Math.round(trace.length * share);
  const heap = new Heap({ scheme, pageCount, cpus });
  const run = new TraceRun(trace, heap, cpus);
  const places = addresses.map((address) => physicalIn(heap, address) ?? NOWHERE);
  const objects = followPlaces(trace, run, end, places);
  const memoryBytes = heap.memory.bytes.length;
  const found = addresses.map((address, index) => {
    const inspection = inspectAddress(heap, address);
    const decoded = decodeAddress(heap.layout, address);
    const isMapped = decoded.kind === "area" && decoded.area.mapping === "identity";
    return { address, memoryBytes, isMapped, inspection, object: objects[index] };
  });
  return { operation: run.operation, failed: run.failed, found };
}

/** Addresses are texts, as in the rest of it. */
function jsonOf(
  explanation: Explanation,
  found: InspectedAddress | undefined,
  when: object,
): object {
  const { inspection, object } = found ?? {};
  const address = object && `0x${object.address.toString(16)}`;
  return { ...explanation, ...when, now: inspection, object: object && { ...object, address } };
}

function textOf(explanations: readonly string[]): string {
  return `${explanations.join("\n\n")}\n`;
}

/** Hexadecimal, with 0x or without, as debuggers print it: also with a "_" or a "`" between the digits. */
function addressFrom(text: string): bigint {
  const digits = text.replace(/^0x/i, "").replaceAll(/[_`]/g, "");
  if (/^[0-9a-f]{1,16}$/i.test(digits)) return BigInt(`0x${digits}`);
  throw new HostError("WL_USAGE", `"${text}" is not an address`, {
    next: "Give 1 to 16 hexadecimal digits, for example 0xffffa00012345800",
  });
}
