/** Traces as lines, to be compared. */
import { CALLOC, FREE, MALLOC, REALLOC, type Trace } from "../../../allocator-model/trace.ts";

const NAMES = new Map([
  [MALLOC, "malloc"],
  [FREE, "free"],
  [REALLOC, "realloc"],
  [CALLOC, "calloc"],
]);

/** "malloc 0 24", "malloc 1 100 @64", "free 0 on 2": operation, id, size, alignment, CPU unless it is 0. */
export function traceText(trace: Trace): string[] {
  return Array.from(trace.operations, (operation, index) => {
    const log2 = trace.alignmentLog2[index] ?? 0;
    const cpu = trace.cpuOf[index] ?? 0;
    return [
      NAMES.get(operation),
      trace.ids[index],
      ...(operation === FREE ? [] : [trace.sizes[index]]),
      ...(log2 === 0 ? [] : [`@${2 ** log2}`]),
      ...(cpu === 0 ? [] : [`on ${cpu}`]),
    ].join(" ");
  });
}
