/** `windlass resume`. */
import { Instances } from "../../instance/instances.ts";
import { forEachName } from "../each-name.ts";
import { instanceView } from "../instance-view.ts";
import type { Execute } from "../invocation.ts";
import { printableLine } from "../printable-text.ts";

export const execute: Execute<"resume"> = async (invocation) => {
  const { options, output, signal } = invocation;
  const instances = new Instances();
  const { results, status } = await forEachName(invocation, async (reference) => {
    const { instance, warning } = await instances.resume(reference, { signal });
    if (warning !== undefined) output.note(printableLine(`warning: ${reference}: ${warning}`));
    if (!options.json) await output.print(`${reference}\n`);
    return instanceView(instance);
  });
  if (options.json) await output.json(results);
  return status;
};
