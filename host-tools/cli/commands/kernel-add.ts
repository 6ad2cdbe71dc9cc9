/** `windlass kernel add`. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { chooseKernel } from "../../../image-builder/kernels/kernel-choice.ts";
import {
  addDebianKernel,
  addKernelPackage,
} from "../../../image-builder/kernels/kernel-package.ts";
import { type Kernel, KernelStore } from "../../../image-builder/kernels/kernel-store.ts";
import { windlassFolders } from "../../../image-builder/store/folders.ts";
import { pathBeside } from "../../../image-builder/store/replace-file.ts";
import type { Execute } from "../invocation.ts";
import { bytesText } from "../quantity-text.ts";

export const execute: Execute<"kernel add"> = async ({ options, operands, output, signal }) => {
  const [source = ""] = operands;
  const folders = windlassFolders();
  const store = new KernelStore(folders.data);
  const kernel = await add(store, source, folders.cache, signal);
  const isCurrent = (await store.current())?.release === kernel.release;
  const { folder: _folder, ...view } = kernel;
  if (options.json) await output.json({ ...view, current: isCurrent });
  else {
    const use = isCurrent ? "" : ` ("windlass kernel use ${kernel.release}" makes it current)`;
    await output.print(`${kernel.release} ${bytesText(kernel.sizeBytes)}${use}\n`);
  }
  return 0;
};

async function add(
  store: KernelStore,
  source: string,
  cacheFolder: string,
  signal: AbortSignal,
): Promise<Kernel> {
  if (source === "debian") return await addDebianKernel(store, { cacheFolder, signal });
  const path = resolve(source);
  if (!source.endsWith(".deb")) return await chooseKernel(store, path);
  await mkdir(cacheFolder, { recursive: true });
  const workFolder = await mkdtemp(pathBeside(join(cacheFolder, "kernel-package")));
  try {
    return await addKernelPackage(store, path, { workFolder, signal });
  } finally {
    await rm(workFolder, { recursive: true, force: true });
  }
}
