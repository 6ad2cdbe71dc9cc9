/** `windlass checkpoint inspect`. */
import { windlassFolders } from "../../../image-builder/store/folders.ts";
import { CheckpointStore } from "../../instance/checkpoint-store.ts";
import { checkpointDetails } from "../checkpoint-view.ts";
import { forEachName } from "../each-name.ts";
import type { Execute } from "../invocation.ts";

export const execute: Execute<"checkpoint inspect"> = async (invocation) => {
  const store = new CheckpointStore(windlassFolders().data);
  const { results, status } = await forEachName(invocation, async (reference) => {
    const checkpoint = await store.get(reference);
    return { ...checkpointDetails(checkpoint), damage: (await store.damage(checkpoint)) ?? null };
  });
  await invocation.output.json(results);
  return status;
};
