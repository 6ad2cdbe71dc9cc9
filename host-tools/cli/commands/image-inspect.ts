/** `windlass image inspect`. */
import { windlassFolders } from "../../../image-builder/store/folders.ts";
import { ImageStore } from "../../../image-builder/store/image-store.ts";
import { forEachName } from "../each-name.ts";
import { imageDetails } from "../image-view.ts";
import type { Execute } from "../invocation.ts";

export const execute: Execute<"image inspect"> = async (invocation) => {
  const { options, output } = invocation;
  const store = new ImageStore(windlassFolders().data);
  const { results, status } = await forEachName(invocation, async (reference) => {
    const image = await store.get(reference);
    if (!options.materials) return imageDetails(image);
    const bytes = await store.blobs.read(image.config.billOfMaterials);
    return JSON.parse(bytes.toString("utf8"));
  });
  await output.json(results);
  return status;
};
