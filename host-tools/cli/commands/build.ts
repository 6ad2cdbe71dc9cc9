/** `windlass build`. */
import { resolve } from "node:path";
import { windlassFolders } from "../../../image-builder/store/folders.ts";
import { ImageStore } from "../../../image-builder/store/image-store.ts";
import { HostError } from "../../errors.ts";
import { buildContainer } from "../build-container.ts";
import { buildProject, projectAt } from "../build-project.ts";
import { imageView, shortId } from "../image-view.ts";
import type { Execute } from "../invocation.ts";
import { bytesText } from "../quantity-text.ts";

export const execute: Execute<"build"> = async ({ options, operands, output, signal }) => {
  const [name, ...furtherNames] = options.tag;
  const { from, trace } = options;
  if (from !== undefined && operands.length > 0) {
    const next = "Leave --from or the folder out";
    throw new HostError("WL_USAGE", "An image is built from one thing", { next });
  }
  if (from !== undefined && trace.length > 0) {
    const next = "Leave --trace out: a container image has all of its files";
    throw new HostError("WL_USAGE", "Only executables are traced, not container images", { next });
  }
  const shared = {
    name,
    kernel: options.kernel,
    output,
    quiet: options.quiet || options.json,
    signal,
  };
  const operand = operands[0] ?? ".";
  const project = (await projectAt(operand)) ?? { folder: resolve(operand) };
  const built =
    from === undefined
      ? await buildProject({ ...project, ...shared, trace })
      : await buildContainer({ ...shared, from });
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
