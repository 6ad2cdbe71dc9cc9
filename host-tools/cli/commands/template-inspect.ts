/** `windlass template inspect`. */
import { windlassFolders } from "../../../image-builder/store/folders.ts";
import { TemplateStore } from "../../instance/template-store.ts";
import { forEachName } from "../each-name.ts";
import type { Execute } from "../invocation.ts";

export const execute: Execute<"template inspect"> = async (invocation) => {
  const store = new TemplateStore(windlassFolders());
  const { results, status } = await forEachName(invocation, async (reference) => {
    const template = await store.get(reference);
    return { ...template, damage: (await store.damage(template)) ?? null };
  });
  await invocation.output.json(results);
  return status;
};
