/** `windlass template rm`. */
import { Instances } from "../../instance/instances.ts";
import { Templates } from "../../instance/templates.ts";
import { forEachName } from "../each-name.ts";
import type { Execute } from "../invocation.ts";

export const execute: Execute<"template rm"> = async (invocation) => {
  const { options, output } = invocation;
  const templates = new Templates(new Instances());
  const { results, status } = await forEachName(invocation, async (reference) => {
    const { id, name } = await templates.remove(reference);
    if (!options.json) await output.print(`${reference}\n`);
    return { id, name };
  });
  if (options.json) await output.json(results);
  return status;
};
