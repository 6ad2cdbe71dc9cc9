/** `windlass wait`. */
import { Instances } from "../../instance/instances.ts";
import { forEachName } from "../each-name.ts";
import type { Execute } from "../invocation.ts";

export const execute: Execute<"wait"> = async (invocation) => {
  const { options, output, signal } = invocation;
  const instances = new Instances();
  const { results, status } = await forEachName(invocation, async (reference) => {
    const { id, name } = (await instances.get(reference)).record;
    const end = await instances.wait(id, { signal });
    if (!options.json) await output.print(`${end.exitCode}\n`);
    return { id, name, ...end };
  });
  if (options.json) await output.json(results);
  return status;
};
