/** `windlass image push` and `windlass push`. */
import { pushImage, type TransferredPart } from "../../../image-builder/registry/image-push.ts";
import { referenceText, registryReference } from "../../../image-builder/registry/reference.ts";
import { windlassFolders } from "../../../image-builder/store/folders.ts";
import { ImageStore } from "../../../image-builder/store/image-store.ts";
import type { Execute } from "../invocation.ts";
import { bytesText } from "../quantity-text.ts";
import { partLine } from "../transfer-view.ts";

export const execute: Execute<"image push"> = async ({ options, operands, output, signal }) => {
  const [name = "", target = ""] = operands;
  const reference = registryReference(target);
  const { data, cache } = windlassFolders();
  const store = new ImageStore(data);
  const image = await store.get(name);
  const isQuiet = options.quiet || options.json;
  const pushed = await pushImage({
    ...{ store, image, reference, cacheFolder: cache, plainHttp: options["plain-http"], signal },
    ...(!isQuiet && { onPart: (part: TransferredPart) => output.note(partLine(part)) }),
  });
  if (options.json) {
    await output.json({ reference: referenceText(reference), id: image.id, ...pushed });
  } else if (options.quiet) await output.print(`${pushed.digest}\n`);
  else {
    const sent = `${bytesText(pushed.sentBytes)} of ${bytesText(pushed.sizeBytes)} sent`;
    await output.print(`${referenceText(reference)} ${pushed.digest} (${sent})\n`);
  }
  return 0;
};
