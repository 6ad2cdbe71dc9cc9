/**
 * The kernel that "windlass kernel build" makes, for tests: built once on a machine, then found. Building it takes
 * all CPUs of a small machine for longer than all tests of a file together, so tests do it only when they are told.
 */
import {
  buildKernel,
  isKernelBuilt,
  type KernelBuildResult,
} from "../../image-builder/kernels/kernel-build.ts";
import type { KernelStore } from "../../image-builder/kernels/kernel-store.ts";
import { windlassFolders } from "../../image-builder/store/folders.ts";

/** Building took 14 minutes of one CPU; a slow machine, used by others too, takes three times as long. */
export const OWN_KERNEL_TIMEOUT_MS = 45 * 60_000;
/** Set to 1, tests build the kernel where it is not. */
const BUILD_VARIABLE = "WINDLASS_TEST_KERNEL_BUILD";

/** Why the kernel is not there and not built now; undefined when tests can have it. */
export async function ownKernelMissing(): Promise<string | undefined> {
  try {
    if (await isKernelBuilt({ cacheFolder: windlassFolders().cache })) return undefined;
  } catch (error) {
    return (error as Error).message;
  }
  if (process.env[BUILD_VARIABLE] === "1") return undefined;
  return `there is no kernel of our own: run "windlass kernel build", or set ${BUILD_VARIABLE}=1`;
}

/** Takes it into a store, as the current one. */
export async function addOwnKernel(
  store: KernelStore,
  signal: AbortSignal,
): Promise<KernelBuildResult> {
  return await buildKernel({ store, cacheFolder: windlassFolders().cache, signal });
}
