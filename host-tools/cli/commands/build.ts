/** `windlass build`. */
import { resolve } from "node:path";
import { windlassFolders } from "../../../image-builder/store/folders.ts";
import { ImageStore } from "../../../image-builder/store/image-store.ts";
import { buildProject, projectAt } from "../build-project.ts";
import { imageView, shortId } from "../image-view.ts";
import type { Execute } from "../invocation.ts";
import { bytesText } from "../quantity-text.ts";

export const execute: Execute<"build"> = async ({ options, operands, output, signal }) => {
  const [name, ...furtherNames] = options.tag;
  const operand = operands[0] ?? ".";
  const project = (await projectAt(operand)) ?? { folder: resolve(operand) };
  const built = await buildProject({
    ...project,
    name,
    kernel: options.kernel,
    trace: options.trace,
    output,
    quiet: options.quiet || options.json,
    signal,
  });
  const { warnings } = built;
  const store = new ImageStore(windlassFolders().data);
  for (const further of furtherNames) await store.tag(built.image.id, further);
  const image = furtherNames.length > 0 ? await store.read(built.image.id) : built.image;
  const view = imageView(image);
  if (options.json) await output.json({ ...view, warnings });
  else if (options.quiet) await output.print(`${image.id}\n`);
  else {
    const names = image.names.join(", ");
    await output.print(`${names} ${shortId(image.id)} ${bytesText(view.sizeBytes)}\n`);
  }
  return 0;
};
