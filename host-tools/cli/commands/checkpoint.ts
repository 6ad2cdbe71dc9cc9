/** `windlass checkpoint`. */
import { Checkpoints } from "../../instance/checkpoints.ts";
import { Instances } from "../../instance/instances.ts";
import { checkpointView } from "../checkpoint-view.ts";
import type { Execute } from "../invocation.ts";
import { printableLine } from "../printable-text.ts";
import { bytesText } from "../quantity-text.ts";

export const execute: Execute<"checkpoint"> = async ({ options, operands, output, signal }) => {
  const [reference = ""] = operands;
  const checkpoints = new Checkpoints(new Instances());
  const { checkpoint, warning } = await checkpoints.take(reference, {
    name: options.tag,
    signal,
  });
  if (warning !== undefined) output.note(printableLine(`warning: ${reference}: ${warning}`));
  const view = checkpointView(checkpoint);
  if (options.json) await output.json(view);
  else if (options.quiet) await output.print(`${view.id}\n`);
  else {
    const still = view.stillMs > 0 ? `stood still for ${view.stillMs.toFixed(0)} ms, ` : "";
    await output.print(`${view.name} ${view.id} (${still}${bytesText(view.stateBytes)})\n`);
  }
  return 0;
};
