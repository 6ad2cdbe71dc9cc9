/** Which kernel an image gets. */
import { stat } from "node:fs/promises";
import { ImageError } from "../errors.ts";
import { findHostKernel } from "./host-kernel.ts";
import type { Kernel, KernelStore } from "./kernel-store.ts";

/**
 * @param wanted a release that the store has, a path of a kernel file, or undefined: then the current
 *   kernel of the store, else one installed on this machine, which is taken into the store
 * @throws {ImageError} WL_IMAGE_KERNEL_UNAVAILABLE
 */
export async function chooseKernel(store: KernelStore, wanted?: string): Promise<Kernel> {
  if (wanted?.includes("/")) {
    const isFile = await stat(wanted).then(
      (entry) => entry.isFile(),
      () => false,
    );
    if (!isFile) {
      throw new ImageError(
        "WL_IMAGE_KERNEL_UNAVAILABLE",
        `Cannot use kernel "${wanted}": there is no such file`,
        { file: wanted, next: "Check the path" },
      );
    }
    return await store.add({ vmlinuzPath: wanted, modulePaths: [], source: `file ${wanted}` });
  }
  if (wanted !== undefined) return await store.get(wanted);
  const current = await store.current();
  if (current) return current;
  const installed = await findHostKernel();
  if (installed) return await store.add(installed);
  throw new ImageError(
    "WL_IMAGE_KERNEL_UNAVAILABLE",
    "Cannot build: Windlass has no kernel yet and none is installed on this machine",
    { next: 'Run "windlass kernel add debian" once; it downloads Debian\'s cloud kernel with apt' },
  );
}
