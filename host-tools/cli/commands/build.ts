/** `windlass build`. */
import { resolve } from "node:path";
import { buildProject } from "../build-project.ts";
import { imageView, shortId } from "../image-view.ts";
import type { Execute } from "../invocation.ts";
import { bytesText } from "../quantity-text.ts";

export const execute: Execute<"build"> = async ({ options, operands, output, signal }) => {
  const { image, warnings } = await buildProject({
    folder: resolve(operands[0] ?? "."),
    name: options.tag,
    kernel: options.kernel,
    output,
    quiet: options.quiet || options.json,
    signal,
  });
  const view = imageView(image);
  if (options.json) await output.json({ ...view, warnings });
  else if (options.quiet) await output.print(`${image.id}\n`);
  else {
    const names = image.names.join(", ");
    await output.print(`${names} ${shortId(image.id)} ${bytesText(view.sizeBytes)}\n`);
  }
  return 0;
};
