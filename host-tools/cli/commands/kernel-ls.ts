/** `windlass kernel ls`. */
import { KernelStore } from "../../../image-builder/kernels/kernel-store.ts";
import { windlassFolders } from "../../../image-builder/store/folders.ts";
import type { Execute } from "../invocation.ts";
import { bytesText } from "../quantity-text.ts";
import { tableText } from "../table-text.ts";

const TITLES = ["RELEASE", "CURRENT", "SIZE", "MODULES", "SOURCE"];

export const execute: Execute<"kernel ls"> = async ({ options, output }) => {
  const store = new KernelStore(windlassFolders().data);
  const current = (await store.current())?.release;
  const kernels = (await store.list()).map(({ folder: _folder, ...kernel }) => {
    return { ...kernel, current: kernel.release === current };
  });
  if (options.json) {
    await output.json(kernels);
    return 0;
  }
  const rows = kernels.map((kernel) => [
    kernel.release,
    kernel.current ? "yes" : "",
    bytesText(kernel.sizeBytes),
    String(kernel.modules.length),
    kernel.source,
  ]);
  await output.print(tableText(TITLES, rows));
  return 0;
};
