/**
 * Debian's kernel source package: which version apt offers, and its tree. Fetched with apt's own client,
 * unpacked, not installed.
 */
import { chmod, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { withIoError } from "../runtimes/io-error.ts";
import { debianTool, unavailable } from "./debian-tool.ts";

/** The kernel of Debian 12; kernel.config is written for it. */
const SOURCE_PACKAGE = "linux-source-6.1";
const SUBJECT = "Debian's kernel source";

/** Trees of other hardware: half of the 1.4 GB. Their Kconfig files and makefiles are read all the same. */
const LEFT_OUT = ["drivers/gpu/*", "drivers/net/*/*", "sound/*"].flatMap((folder) =>
  ["[ch]", "S", "rst", "json"].map((suffix) => `--exclude=*/${folder}.${suffix}`),
);

export interface KernelSource {
  readonly packageName: string;
  /** Debian's version: "6.1.192-2". */
  readonly version: string;
}

/**
 * What apt knows; nothing is fetched for it.
 *
 * @throws {ImageError} WL_IMAGE_KERNEL_UNAVAILABLE when apt knows no such package
 */
export async function findKernelSource(signal?: AbortSignal): Promise<KernelSource> {
  const show = ["show", "--no-all-versions", SOURCE_PACKAGE];
  const text = await debianTool("apt-cache", show, { subject: SUBJECT, signal });
  const version = /^Version: (\S+)$/m.exec(text)?.[1];
  if (version === undefined) throw unavailable(SUBJECT, `apt knows no package ${SOURCE_PACKAGE}`);
  return { packageName: SOURCE_PACKAGE, version };
}

/**
 * Downloads the package into a folder.
 *
 * @returns its path
 */
export async function fetchKernelSource(
  { packageName, version }: KernelSource,
  folder: string,
  signal?: AbortSignal,
): Promise<string> {
  await chmod(folder, 0o755); // apt's download runs as a user of its own where it can
  const download = ["download", "-qq", `${packageName}=${version}`];
  await debianTool("apt-get", download, { cwd: folder, subject: SUBJECT, signal });
  const file = (await readdir(folder)).find((name) => name.endsWith(".deb"));
  if (file === undefined) throw unavailable(SUBJECT, `apt-get downloaded no ${packageName}`);
  return join(folder, file);
}

/** Unpacks the tree inside the package into `tree`, and removes the package. */
export async function unpackKernelSource(
  packagePath: string,
  tree: string,
  signal?: AbortSignal,
): Promise<void> {
  const content = `${tree}.package`;
  const wait = { subject: SUBJECT, signal };
  await debianTool("dpkg-deb", ["--extract", packagePath, content], wait);
  await rm(packagePath);
  const folder = join(content, "usr/src");
  const archive = (await withIoError("read", folder, readdir(folder))).find((name) =>
    name.endsWith(".tar.xz"),
  );
  if (archive === undefined) throw unavailable(SUBJECT, "the package holds no source archive");
  await withIoError("write", tree, mkdir(tree));
  const unpack = ["--extract", "--file", join(folder, archive), "--directory", tree];
  const options = ["--strip-components=1", "--no-same-owner", ...LEFT_OUT];
  await debianTool("tar", [...unpack, ...options], wait);
  await rm(content, { recursive: true });
}
