/** `windlass kill`. */
import { Instances } from "../../instance/instances.ts";
import { forEachName } from "../each-name.ts";
import { instanceView } from "../instance-view.ts";
import type { Execute } from "../invocation.ts";
import { signalOption } from "../option-values.ts";

export const execute: Execute<"kill"> = async (invocation) => {
  const { options, output, signal } = invocation;
  const name = signalOption(options.signal ?? "SIGKILL");
  const instances = new Instances();
  const { results, status } = await forEachName(invocation, async (reference) => {
    const instance = await instances.kill(reference, name, { signal });
    if (!options.json) await output.print(`${reference}\n`);
    return instanceView(instance);
  });
  if (options.json) await output.json(results);
  return status;
};
