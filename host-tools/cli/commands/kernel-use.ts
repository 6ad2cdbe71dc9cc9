/** `windlass kernel use`. */
import { KernelStore } from "../../../image-builder/kernels/kernel-store.ts";
import { windlassFolders } from "../../../image-builder/store/folders.ts";
import type { Execute } from "../invocation.ts";

export const execute: Execute<"kernel use"> = async ({ options, operands, output }) => {
  const [release = ""] = operands;
  await new KernelStore(windlassFolders().data).use(release);
  await (options.json ? output.json({ current: release }) : output.print(`${release}\n`));
  return 0;
};
