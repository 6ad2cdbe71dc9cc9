/** `windlass alloc record`. */
import { encodeTrace, TRACE_OPERATIONS_MAX } from "../../../allocator-model/trace-file.ts";
import { openResultFile } from "../../allocator/result-file.ts";
import { type Recording, recordProgram } from "../../allocator/trace-recorder.ts";
import { HostError } from "../../errors.ts";
import type { Execute } from "../invocation.ts";
import { printableLine } from "../printable-text.ts";
import { bytesText, countText } from "../quantity-text.ts";

const OPERATIONS_DEFAULT = 1_000_000;

export const execute: Execute<"alloc record"> = async (invocation) => {
  const { operands, options, output, signal, urgent } = invocation;
  if (options.output === undefined) {
    throw new HostError("WL_USAGE", "The trace needs a file", { next: "Write -o FILE" });
  }
  const operationsMax = options.operations ?? OPERATIONS_DEFAULT;
  if (operationsMax < 1 || operationsMax > TRACE_OPERATIONS_MAX) {
    throw new HostError("WL_USAGE", `A trace cannot have ${operationsMax} operations`, {
      next: `Ask for 1 to ${TRACE_OPERATIONS_MAX}`,
    });
  }
  await using file = await openResultFile(options.output);
  const recording = await recordProgram(operands, { operationsMax, signal, urgent });
  const bytes = encodeTrace(recording.trace);
  await file.write(bytes);
  output.note(summary(recording, options.output, bytes.length));
  return recording.status;
};

function summary({ trace, isCut }: Recording, path: string, sizeBytes: number): string {
  const threads = countText(trace.cpus, "thread");
  const cut = isCut ? "; the program asked for more (--operations)" : "";
  const file = `${printableLine(path)} (${bytesText(sizeBytes)})`;
  return `Recorded ${countText(trace.length, "operation")} of ${threads} in ${file}${cut}`;
}
