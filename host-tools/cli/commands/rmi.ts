/** `windlass rmi`. */
import { windlassFolders } from "../../../image-builder/store/folders.ts";
import { ImageStore } from "../../../image-builder/store/image-store.ts";
import { forEachName } from "../each-name.ts";
import type { Execute } from "../invocation.ts";
import { bytesText } from "../quantity-text.ts";

export const execute: Execute<"rmi"> = async (invocation) => {
  const { options, output } = invocation;
  const store = new ImageStore(windlassFolders().data);
  const { results, status } = await forEachName(invocation, async (reference) => {
    const report = await store.remove(reference, { force: options.force });
    const freed = bytesText(report.freedBytes);
    if (!options.json) await output.print(`${reference} (freed ${freed})\n`);
    return { image: reference, ...report };
  });
  if (options.json) await output.json(results);
  return status;
};
