/** `windlass rm`. */
import { Instances } from "../../instance/instances.ts";
import { forEachName } from "../each-name.ts";
import type { Execute } from "../invocation.ts";

export const execute: Execute<"rm"> = async (invocation) => {
  const { options, output, signal } = invocation;
  const instances = new Instances();
  const { results, status } = await forEachName(invocation, async (reference) => {
    const { id, name } = (await instances.get(reference)).record;
    await instances.remove(id, { force: options.force, signal });
    if (!options.json) await output.print(`${reference}\n`);
    return { id, name };
  });
  if (options.json) await output.json({ removed: results });
  return status;
};
