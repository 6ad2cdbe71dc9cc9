/** `windlass checkpoint rm`. */
import { Checkpoints } from "../../instance/checkpoints.ts";
import { Instances } from "../../instance/instances.ts";
import { forEachName } from "../each-name.ts";
import type { Execute } from "../invocation.ts";

export const execute: Execute<"checkpoint rm"> = async (invocation) => {
  const { options, output } = invocation;
  const checkpoints = new Checkpoints(new Instances());
  const { results, status } = await forEachName(invocation, async (reference) => {
    const { id, name } = await checkpoints.remove(reference);
    if (!options.json) await output.print(`${reference}\n`);
    return { id, name };
  });
  if (options.json) await output.json({ removed: results });
  return status;
};
