/** `windlass prune`. */
import { removePartialDownloads } from "../../../image-builder/registry/partial-downloads.ts";
import { removeDeadRemains } from "../../../image-builder/store/replace-file.ts";
import { Checkpoints } from "../../instance/checkpoints.ts";
import { isUp } from "../../instance/instance-state.ts";
import { Instances } from "../../instance/instances.ts";
import { removeLeftovers } from "../../instance/leftovers.ts";
import { Templates } from "../../instance/templates.ts";
import { removeUnpackedKernels } from "../../instance/unpacked-kernels.ts";
import type { Execute } from "../invocation.ts";
import { bytesText } from "../quantity-text.ts";

export const execute: Execute<"prune"> = async ({ options, output, signal }) => {
  const instances = new Instances();
  const removedInstances: string[] = [];
  if (options.instances) {
    for (const { record, state } of await instances.list()) {
      if (isUp(state)) continue;
      await instances.remove(record.id, { signal });
      removedInstances.push(record.name);
      if (!options.json) await output.print(`removed instance ${record.name}\n`);
    }
  }
  await removeLeftovers(instances.store);
  await new Checkpoints(instances).removeLeftovers();
  await new Templates(instances).removeLeftovers();
  const { cache } = instances.store.folders;
  await removeDeadRemains(cache);
  const { removedImages, freedBytes: ofImagesBytes } = await instances.images.prune();
  const kernels = (await instances.images.list()).map(({ config }) => config.kernel.digest);
  const ofKernelsBytes = await removeUnpackedKernels(cache, new Set(kernels));
  const ofDownloadsBytes = await removePartialDownloads(cache);
  const freedBytes = ofImagesBytes + ofKernelsBytes + ofDownloadsBytes;
  if (options.json) {
    await output.json({ removedInstances, removedImages, freedBytes });
    return 0;
  }
  const count = removedImages.length;
  const images = count === 0 ? "" : ` with ${count} unnamed image${count === 1 ? "" : "s"}`;
  await output.print(`freed ${bytesText(freedBytes)}${images}\n`);
  return 0;
};
