/** `windlass start`. */
import { HostError } from "../../errors.ts";
import { Instances } from "../../instance/instances.ts";
import { waitStarted } from "../background.ts";
import { forEachName } from "../each-name.ts";
import { foreground } from "../foreground.ts";
import type { Execute } from "../invocation.ts";

export const execute: Execute<"start"> = async (invocation) => {
  const { options, operands, output, signal } = invocation;
  const instances = new Instances();
  if (options.attach) {
    const [only = "", ...others] = operands;
    if (others.length > 0) {
      throw new HostError("WL_USAGE", "Only one instance can be attached to", {
        next: "Start the others without -a",
      });
    }
    const started = await instances.start(only, { signal });
    const interactive = started.record.options.program.openStdin === true;
    return await foreground(started, { ...invocation, instances, interactive });
  }
  const { results, status } = await forEachName(invocation, async (reference) => {
    const started = await instances.start(reference, { signal });
    const view = await waitStarted(instances, started, { output, signal });
    if (!options.json) await output.print(`${reference}\n`);
    return view;
  });
  if (options.json) await output.json(results);
  return status;
};
