/** `windlass kernel rm`. */
import { KernelStore } from "../../../image-builder/kernels/kernel-store.ts";
import { windlassFolders } from "../../../image-builder/store/folders.ts";
import { ImageStore } from "../../../image-builder/store/image-store.ts";
import { shortId } from "../image-view.ts";
import type { Execute } from "../invocation.ts";

export const execute: Execute<"kernel rm"> = async ({ options, operands, output }) => {
  const [release = ""] = operands;
  const { data } = windlassFolders();
  const { digest } = await new KernelStore(data).remove(release);
  const images = await new ImageStore(data).list();
  const users = images
    .filter(({ config }) => config.kernel.digest === digest)
    .map(({ id, names }) => names[0] ?? shortId(id));
  if (options.json) await output.json({ removed: release, images: users });
  else {
    await output.print(`${release}\n`);
    if (users.length > 0) output.note(`images that keep their copy of it: ${users.join(", ")}`);
  }
  return 0;
};
