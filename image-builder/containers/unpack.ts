/** The root tree of a container image: all its layers, one over the other. */
import { join } from "node:path";
import { helperExecutables } from "../first-process/helpers.ts";
import { quoted } from "../foreign-text.ts";
import type { LinkEntry, TreeEntry } from "../rootfs/tree.ts";
import { applyLayer } from "./apply-layer.ts";
import { containerError } from "./container-error.ts";
import type { ContainerImage } from "./container-image.ts";
import { ContainerRoot } from "./container-root.ts";
import { type Allowance, ContentFile } from "./content-file.ts";
import { diskAllowance } from "./disk-allowance.ts";
import { layerArchive } from "./layer-stream.ts";

export interface UnpackOptions {
  /** An empty folder for the content of files; it must stay until the tree is written. */
  readonly folder: string;
  /** Where the image is going to be written from them. Default: `folder`. */
  readonly storeFolder?: string | undefined;
  /**
   * All layers unpacked, and all files with their holes; what is more is refused. Default 64 GiB. There is no
   * limit of the ratio: honest zeros are packed 1000:1. They are not stored; what is stored must find room on
   * the disks of both folders.
   */
  readonly limitBytes?: number | undefined;
  /** What has to stay free on these disks. Default 512 MiB. */
  readonly reserveBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface UnpackedRoot {
  readonly entries: readonly (TreeEntry | LinkEntry)[];
  /** Each one sentence without a full stop. */
  readonly warnings: readonly string[];
}

const LIMIT_BYTES = 64 * 1024 ** 3;
/** More of one image help nobody. */
const WARNINGS_MAX = 20;

/** @throws {ImageError} WL_IMAGE_CONTAINER_INVALID, WL_IMAGE_IO */
export async function unpackContainer(
  { layers, config }: Pick<ContainerImage, "layers" | "config">,
  { folder, storeFolder = folder, limitBytes = LIMIT_BYTES, reserveBytes, signal }: UnpackOptions,
): Promise<UnpackedRoot> {
  const root = new ContainerRoot();
  const warnings: string[] = [];
  let warningCount = 0;
  const warn = (warning: string): void => {
    warningCount += 1;
    if (warnings.length < WARNINGS_MAX) warnings.push(warning);
  };
  const archives: Allowance = { leftBytes: limitBytes };
  const files: Allowance = { leftBytes: limitBytes };
  const disk = await diskAllowance({ folder, storeFolder, reserveBytes });
  for (const [index, layer] of layers.entries()) {
    const content = await ContentFile.create(join(folder, `layer-${index}`), { files, disk });
    try {
      const archive = layerArchive(layer, { allowance: archives, signal });
      await applyLayer(archive, { root, content, layer: index, warn });
      await content.finish();
    } catch (error) {
      await content[Symbol.asyncDispose]();
      throw error;
    }
  }
  for (const path of [config.workdir, ...config.volumes]) root.ensureFolder(parts(path));
  makeRoom(root, warn);
  if (warningCount > warnings.length) {
    warnings.push(`${warningCount - warnings.length} more of these are not shown`);
  }
  return { entries: root.entries(), warnings };
}

/** Folders that the base has a part of, below the container's: as links they would hide it. */
const SHARED_FOLDERS = ["/etc", "/usr", "/usr/lib", "/dev", "/proc", "/sys"];
/** The base's, whatever the container has there. */
const OURS = ["/usr/lib/windlass", "/etc/resolv.conf", "/etc/hosts"];

function makeRoom(root: ContainerRoot, warn: (warning: string) => void): void {
  for (const path of SHARED_FOLDERS) {
    if (root.isPlainFolder(parts(path))) continue;
    throw containerError(`${quoted(path)} of the image is no folder`);
  }
  for (const path of OURS) {
    const isOdd = root.remove(parts(path)) && path === OURS[0];
    if (isOdd) warn(`${quoted(path)} of the image is left out: Windlass has its own`);
  }
  // Wherever the container's /sbin leads to, the agent's helpers are found there.
  for (const { name } of helperExecutables()) {
    root.put(["sbin", name], { kind: "symlink", target: `/usr/lib/windlass/${name}` });
  }
}

function parts(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}
