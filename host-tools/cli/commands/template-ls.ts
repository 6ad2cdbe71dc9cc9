/** `windlass template ls`. */
import { windlassFolders } from "../../../image-builder/store/folders.ts";
import { TemplateStore } from "../../instance/template-store.ts";
import type { Execute } from "../invocation.ts";
import { agoText, bytesText } from "../quantity-text.ts";
import { tableText } from "../table-text.ts";

const TITLES = ["NAME", "ID", "IMAGE", "MEMORY", "ON DISK", "CREATED"];

export const execute: Execute<"template ls"> = async ({ options, output }) => {
  const templates = await new TemplateStore(windlassFolders()).list();
  if (options.json) await output.json(templates);
  else if (options.quiet) await output.print(templates.map(({ id }) => `${id}\n`).join(""));
  else {
    const rows = templates.map(({ name, id, imageName, memoryMib, memory, createdAt }) => [
      name,
      id,
      imageName,
      `${memoryMib} MiB`,
      bytesText(memory.diskBytes),
      `${agoText(Date.now() - Date.parse(createdAt))} ago`,
    ]);
    await output.print(tableText(TITLES, rows));
  }
  return 0;
};
