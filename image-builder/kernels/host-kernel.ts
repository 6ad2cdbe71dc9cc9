/** Kernels that are installed on this machine: /boot/vmlinuz-RELEASE with /lib/modules/RELEASE. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { KernelFiles } from "./kernel-store.ts";

/** The newest installed cloud kernel, else undefined; a kernel that others cannot read is passed over. */
export async function findHostKernel(root = "/"): Promise<KernelFiles | undefined> {
  const names = await readdir(join(root, "boot")).catch(() => []);
  const order = new Intl.Collator("en", { numeric: true });
  const newest = names
    .filter((name) => /^vmlinuz-.*-cloud-amd64$/.test(name))
    .sort(order.compare)
    .at(-1);
  if (newest === undefined) return undefined;
  const modules = join(root, "lib/modules", newest.slice("vmlinuz-".length));
  const files = await readdir(modules, { recursive: true }).catch(() => []);
  return {
    vmlinuzPath: join(root, "boot", newest),
    modulePaths: files.filter((name) => name.endsWith(".ko")).map((name) => join(modules, name)),
    source: `file ${join(root, "boot", newest)}`,
  };
}
