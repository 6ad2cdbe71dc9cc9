/** `windlass image pull` and `windlass pull`. */
import { pullImage } from "../../../image-builder/registry/image-pull.ts";
import type { TransferredPart } from "../../../image-builder/registry/image-push.ts";
import { registryReference } from "../../../image-builder/registry/reference.ts";
import { windlassFolders } from "../../../image-builder/store/folders.ts";
import { ImageStore } from "../../../image-builder/store/image-store.ts";
import { imageView, shortId } from "../image-view.ts";
import type { Execute } from "../invocation.ts";
import { bytesText } from "../quantity-text.ts";
import { partLine, showProgress } from "../transfer-view.ts";

export const execute: Execute<"image pull"> = async ({ options, operands, output, signal }) => {
  const reference = registryReference(operands[0] ?? "");
  const { data, cache } = windlassFolders();
  const store = new ImageStore(data);
  const isQuiet = options.quiet || options.json;
  const { image, digest, fetchedBytes } = await pullImage({
    ...{ store, reference, name: options.tag, cacheFolder: cache, signal },
    plainHttp: options["plain-http"],
    ...(!isQuiet && {
      onPart: (part: TransferredPart) => output.note(partLine(part)),
      onProgress: showProgress(output),
    }),
  });
  if (options.json) await output.json({ ...imageView(image), digest, fetchedBytes });
  else if (options.quiet) await output.print(`${image.id}\n`);
  else {
    const names = image.names.join(", ");
    await output.print(`${names} ${shortId(image.id)} (${bytesText(fetchedBytes)} fetched)\n`);
  }
  return 0;
};
