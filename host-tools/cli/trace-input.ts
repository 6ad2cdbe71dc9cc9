/** Traces as commands take them: files of any format, and workloads that are made: "workload:larson". */
import { open } from "node:fs/promises";
import { basename } from "node:path";
import type { ReadTrace } from "../../allocator-model/address-trace.ts";
import { readTrace } from "../../allocator-model/trace-reader.ts";
import { workloads } from "../../allocator-model/workloads/workloads.ts";
import { HostError } from "../errors.ts";
import { bytesText } from "./quantity-text.ts";

/** A text is a string, and strings have a limit of 512 MiB. */
const FILE_BYTES_MAX = 2 ** 28;
const WORKLOAD = "workload:";
const NO_LOSSES = {
  ...{
    skippedLines: 0,
    failedRequests: 0,
    unknownAddresses: 0,
    unseenFrees: 0,
    oversizedObjects: 0,
  },
};

/**
 * @param operand a path, or WORKLOAD and a name
 * @throws {HostError} WL_USAGE for an unknown workload or a file that is too large; {AllocatorError}
 *   WL_ALLOC_TRACE
 */
export async function readTraceInput(operand: string): Promise<ReadTrace> {
  if (operand.startsWith(WORKLOAD)) return readWorkload(operand.slice(WORKLOAD.length));
  await using file = await open(operand);
  const { size } = await file.stat();
  if (size > FILE_BYTES_MAX) {
    const text = `"${operand}" has ${bytesText(size)}, more than ${bytesText(FILE_BYTES_MAX)}`;
    throw new HostError("WL_USAGE", text, {
      next: "Give a part of it, for example its first lines",
    });
  }
  return readTrace(await file.readFile(), basename(operand));
}

function readWorkload(name: string): ReadTrace {
  const workload = workloads[name];
  if (workload && Object.hasOwn(workloads, name)) {
    return { trace: workload.make(), losses: NO_LOSSES };
  }
  throw new HostError("WL_USAGE", `There is no workload "${name}"`, {
    next: 'See "windlass alloc compare --list"',
  });
}
