/** `windlass alloc compare`. */
import { workloads } from "../../../allocator-model/workloads/workloads.ts";
import {
  type AllocatorName,
  allocatorNames,
  type Comparison,
  openComparer,
} from "../../allocator/comparison.ts";
import { HostError } from "../../errors.ts";
import { comparisonText } from "../comparison-view.ts";
import type { Execute } from "../invocation.ts";
import { tableText } from "../table-text.ts";
import { readTraceInput } from "../trace-input.ts";

export const execute: Execute<"alloc compare"> = async ({ operands, options, output, signal }) => {
  const allocators = namesIn(options.allocators);
  if (options.list) {
    const entries = Object.entries(workloads).map(([name, { description }]) => [name, description]);
    if (options.json)
      await output.json(entries.map(([name, description]) => ({ name, description })));
    else await output.print(tableText(["WORKLOAD", "DESCRIPTION"], entries));
    return 0;
  }
  if (operands.length === 0) {
    throw new HostError("WL_USAGE", '"alloc compare" needs a trace or a workload', {
      next: 'See "windlass alloc compare --list", or record one: "windlass help alloc record"',
    });
  }
  const comparisons: Comparison[] = [];
  await using comparer = await openComparer({ allocators, signal });
  for (const operand of operands) {
    const { trace } = await readTraceInput(operand);
    const comparison = await comparer.compare(trace);
    if (options.json) comparisons.push(comparison);
    else await output.print(`${operand === operands[0] ? "" : "\n"}${comparisonText(comparison)}`);
  }
  if (options.json) await output.json(comparisons);
  return 0;
};

function namesIn(list: string | undefined): readonly AllocatorName[] {
  if (list === undefined) return allocatorNames;
  return list.split(",").map((text) => {
    const name = allocatorNames.find((one) => one === text.trim());
    if (name !== undefined) return name;
    throw new HostError("WL_USAGE", `There is no allocator "${text.trim()}"`, {
      next: `Give some of these, with commas: ${allocatorNames.join(", ")}`,
    });
  });
}
