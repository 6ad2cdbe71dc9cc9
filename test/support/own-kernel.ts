/** The kernel that "windlass kernel build" makes, for tests: built once on a machine, then found. */
import {
  buildKernel,
  isKernelBuilt,
  type KernelBuildResult,
} from "../../image-builder/kernels/kernel-build.ts";
import type { KernelStore } from "../../image-builder/kernels/kernel-store.ts";
import { windlassFolders } from "../../image-builder/store/folders.ts";

/** Building takes some ten minutes of one CPU. */
export const OWN_KERNEL_TIMEOUT_MS = 20 * 60_000;

/** Why the kernel is not there and not built now; undefined when tests can have it. */
export async function ownKernelMissing(): Promise<string | undefined> {
  try {
    if (await isKernelBuilt({ cacheFolder: windlassFolders().cache })) return undefined;
  } catch (error) {
    return (error as Error).message;
  }
  if (process.env["WINDLASS_TEST_NETWORK"] === "1") return undefined;
  return 'there is no kernel of our own: run "windlass kernel build", or set WINDLASS_TEST_NETWORK=1';
}

/** Takes it into a store, as the current one. */
export async function addOwnKernel(
  store: KernelStore,
  signal: AbortSignal,
): Promise<KernelBuildResult> {
  return await buildKernel({ store, cacheFolder: windlassFolders().cache, signal });
}
