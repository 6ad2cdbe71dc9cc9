/** `windlass restart`. */
import { Instances } from "../../instance/instances.ts";
import { waitStarted } from "../background.ts";
import { forEachName } from "../each-name.ts";
import type { Execute } from "../invocation.ts";
import { stopInstance } from "../stop-instance.ts";

export const execute: Execute<"restart"> = async (invocation) => {
  const { options, output, signal } = invocation;
  const instances = new Instances();
  const { results, status } = await forEachName(invocation, async (reference) => {
    await stopInstance(instances, reference, {
      ...invocation,
      seconds: options.time,
      quiet: options.json,
    });
    const started = await instances.start(reference, { signal });
    const view = await waitStarted(instances, started, { signal });
    if (!options.json) await output.print(`${reference}\n`);
    return view;
  });
  if (options.json) await output.json(results);
  return status;
};
