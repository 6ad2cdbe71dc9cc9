/** `windlass suspend`. */
import { Instances } from "../../instance/instances.ts";
import { forEachName } from "../each-name.ts";
import { instanceView } from "../instance-view.ts";
import type { Execute } from "../invocation.ts";

export const execute: Execute<"suspend"> = async (invocation) => {
  const { options, output, signal } = invocation;
  const instances = new Instances();
  const { results, status } = await forEachName(invocation, async (reference) => {
    const instance = await instances.suspend(reference, { signal });
    if (!options.json) await output.print(`${reference}\n`);
    return instanceView(instance);
  });
  if (options.json) await output.json(results);
  return status;
};
