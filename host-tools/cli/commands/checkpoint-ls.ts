/** `windlass checkpoint ls`. */
import { windlassFolders } from "../../../image-builder/store/folders.ts";
import { CheckpointStore } from "../../instance/checkpoint-store.ts";
import { checkpointView } from "../checkpoint-view.ts";
import type { Execute } from "../invocation.ts";
import { agoText, bytesText } from "../quantity-text.ts";
import { tableText } from "../table-text.ts";

const TITLES = ["NAME", "ID", "INSTANCE", "IMAGE", "STATE", "SCRATCH", "CREATED"];

export const execute: Execute<"checkpoint ls"> = async ({ options, output }) => {
  const checkpoints = await new CheckpointStore(windlassFolders().data).list();
  const views = checkpoints.map(checkpointView);
  if (options.json) await output.json(views);
  else if (options.quiet) await output.print(views.map(({ id }) => `${id}\n`).join(""));
  else {
    const rows = views.map((view) => [
      view.name,
      view.id,
      view.instance.name,
      view.image,
      bytesText(view.stateBytes),
      view.scratchBytes > 0 ? bytesText(view.scratchBytes) : "",
      `${agoText(Date.now() - Date.parse(view.createdAt))} ago`,
    ]);
    await output.print(tableText(TITLES, rows));
  }
  return 0;
};
