/** `windlass restore`. */
import { Checkpoints } from "../../instance/checkpoints.ts";
import { Instances } from "../../instance/instances.ts";
import { parsePublish } from "../../network/publish.ts";
import { instanceView, portText } from "../instance-view.ts";
import type { Execute } from "../invocation.ts";

export const execute: Execute<"restore"> = async ({ options, operands, output, signal }) => {
  const [reference = ""] = operands;
  const publish = options.publish.length > 0 ? options.publish.map(parsePublish) : undefined;
  const checkpoints = new Checkpoints(new Instances());
  const { name } = options;
  const view = instanceView(await checkpoints.restore(reference, { name, publish, signal }));
  if (options.json) await output.json(view);
  else if (options.quiet) await output.print(`${view.id}\n`);
  else await output.print(`${[view.name, view.id, ...view.ports.map(portText)].join(" ")}\n`);
  return 0;
};
