/** `windlass ps`. */
import { isUp } from "../../instance/instance-state.ts";
import { Instances } from "../../instance/instances.ts";
import { instanceView, portText, statusText } from "../instance-view.ts";
import type { Execute } from "../invocation.ts";
import { agoText } from "../quantity-text.ts";
import { shortened, tableText } from "../table-text.ts";

const TITLES = ["ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAME"];
const COMMAND_CHARACTERS = 24;

export const execute: Execute<"ps"> = async ({ options, output }) => {
  const all = await new Instances().list();
  const shown = all.filter(({ state }) => options.all || isUp(state));
  // Newest first, as Docker.
  const views = shown.map(instanceView).reverse();
  if (options.json) {
    await output.json(views);
    return 0;
  }
  if (options.quiet) {
    await output.print(views.map(({ id }) => `${id}\n`).join(""));
    return 0;
  }
  const nowMs = Date.now();
  const rows = views.map((view) => [
    view.id,
    view.image,
    shortened(view.command.join(" "), COMMAND_CHARACTERS),
    `${agoText(nowMs - Date.parse(view.createdAt))} ago`,
    statusText(view, nowMs),
    view.ports.map(portText).join(", "),
    view.name,
  ]);
  await output.print(tableText(TITLES, rows));
  return 0;
};
