/** The kernel that this machine's Windlass has, for tests that need a real one. */
import { join } from "node:path";
import { type Kernel, KernelStore } from "../../image-builder/kernels/kernel-store.ts";
import { windlassFolders } from "../../image-builder/store/folders.ts";

/** Data folders that may hold one: of WINDLASS_TEST_HOME, then of this user. */
export function kernelDataFolders(environment = process.env): string[] {
  const home = environment["WINDLASS_TEST_HOME"];
  return [...(home ? [join(home, "data")] : []), windlassFolders(environment).data];
}

/** undefined when Windlass has none yet; nothing is fetched. */
export async function presentKernel(): Promise<Kernel | undefined> {
  for (const folder of kernelDataFolders()) {
    const kernel = await new KernelStore(folder).current();
    if (kernel) return kernel;
  }
  return undefined;
}
