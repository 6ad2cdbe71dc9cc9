/** `windlass stop`. */
import { Instances } from "../../instance/instances.ts";
import { forEachName } from "../each-name.ts";
import type { Execute } from "../invocation.ts";
import { stopInstance } from "../stop-instance.ts";

export const execute: Execute<"stop"> = async (invocation) => {
  const { options, output } = invocation;
  const instances = new Instances();
  const { results, status } = await forEachName(invocation, async (reference) => {
    const stopped = await stopInstance(instances, reference, {
      ...invocation,
      seconds: options.time,
      quiet: options.json,
    });
    if (!options.json) await output.print(`${reference}\n`);
    return stopped;
  });
  if (options.json) await output.json(results);
  return status;
};
