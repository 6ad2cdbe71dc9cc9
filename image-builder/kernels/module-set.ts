/** Which modules a guest needs, and in which order they load. */
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { moduleDependencies, moduleName } from "./module.ts";

/**
 * What Windlass's machines are made of, most urgent first: the disks and the root, then network,
 * journal, instance document and entropy, and the scratch disk's file system. A kernel that has one
 * built in simply has no such module.
 */
export const GUEST_MODULES = [
  "virtio_pci",
  "virtio_blk",
  "erofs",
  "overlay",
  "qemu_fw_cfg",
  "virtio_console",
  "virtio_net",
  "virtio_rng",
  "ext4",
] as const;

/**
 * Kept beside those, loaded only where somebody asks for them: virtualisation within a guest (the tests
 * of KVM), memory given back while a guest runs, and sockets between host and guest.
 */
export const SPARE_MODULES = [
  "kvm_amd",
  "kvm_intel",
  "virtio_balloon",
  "vmw_vsock_virtio_transport",
] as const;

/**
 * Load order of the wanted modules and of all they depend on.
 *
 * @param files every module of the kernel, as paths of .ko files
 * @returns paths; a wanted module that the kernel does not have as a module is left out
 */
export async function moduleLoadOrder(
  files: readonly string[],
  wanted: readonly string[] = GUEST_MODULES,
): Promise<string[]> {
  const byName = new Map(files.map((path) => [moduleName(basename(path, ".ko")), path]));
  const order: string[] = [];
  const visited = new Set<string>();
  const visit = async (name: string): Promise<void> => {
    const path = byName.get(name);
    if (visited.has(name) || path === undefined) return;
    visited.add(name);
    for (const dependency of moduleDependencies(await readFile(path), path)) {
      await visit(moduleName(dependency));
    }
    order.push(path);
  };
  for (const name of wanted) await visit(moduleName(name));
  return order;
}
