/** Kernels that are installed on this machine: /boot/vmlinuz-RELEASE with /lib/modules/RELEASE. */
import { access, constants, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { KernelFiles } from "./kernel-store.ts";

/**
 * The newest installed cloud kernel, else undefined. Passed over are a kernel that this user cannot
 * read, and one without modules that are here uncompressed: no guest would find its disks.
 */
export async function findHostKernel(root = "/"): Promise<KernelFiles | undefined> {
  const names = await readdir(join(root, "boot")).catch(() => []);
  const order = new Intl.Collator("en", { numeric: true });
  const kernels = names
    .filter((name) => /^vmlinuz-.*-cloud-amd64$/.test(name))
    .sort((a, b) => order.compare(b, a));
  for (const name of kernels) {
    const vmlinuzPath = join(root, "boot", name);
    const modules = join(root, "lib/modules", name.slice("vmlinuz-".length));
    const files = await readdir(modules, { recursive: true }).catch(() => []);
    const modulePaths = files
      .filter((file) => file.endsWith(".ko"))
      .map((file) => join(modules, file));
    const isReadable = await access(vmlinuzPath, constants.R_OK).then(
      () => true,
      () => false,
    );
    if (isReadable && modulePaths.length > 0) {
      return { vmlinuzPath, modulePaths, source: `file ${vmlinuzPath}` };
    }
  }
  return undefined;
}
