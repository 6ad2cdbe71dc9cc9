/** `windlass alloc record`. */
import { rename, rm, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { encodeTrace, TRACE_OPERATIONS_MAX } from "../../../allocator-model/trace-file.ts";
import { pathBeside } from "../../../image-builder/store/replace-file.ts";
import { type Recording, recordProgram } from "../../allocator/trace-recorder.ts";
import { HostError } from "../../errors.ts";
import type { Execute } from "../invocation.ts";
import { printableLine } from "../printable-text.ts";
import { bytesText } from "../quantity-text.ts";

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
  const target = resolve(options.output);
  const beside = pathBeside(target);
  try {
    // Before the program runs, perhaps for hours: whether a file may be there.
    await writeFile(beside, "", { flag: "wx" }).catch((cause: Error) => {
      throw new HostError("WL_HOST_IO", `Cannot write "${target}": ${cause.message}`, {
        next: "Check that its folder is there and may be written, and that the disk is not full",
      });
    });
    const recording = await recordProgram(operands, { operationsMax, signal, urgent });
    const bytes = encodeTrace(recording.trace);
    await writeFile(beside, bytes);
    await rename(beside, target);
    output.note(summary(recording, options.output, bytes.length));
    return recording.status;
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
};

function summary({ trace, isCut }: Recording, path: string, sizeBytes: number): string {
  const threads = trace.cpus === 1 ? "1 thread" : `${trace.cpus} threads`;
  const cut = isCut ? "; the program asked for more (--operations)" : "";
  const file = `${printableLine(path)} (${bytesText(sizeBytes)})`;
  return `Recorded ${trace.length} operations of ${threads} in ${file}${cut}`;
}
