/**
 * Debian's cloud kernel, fetched with apt's own client (which checks signatures) and unpacked, not
 * installed. The only command of Windlass that uses the network by itself is the one that calls this.
 */
import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { basename, dirname, join, normalize } from "node:path";
import { pipeline } from "node:stream/promises";
import { type Extract, extract } from "tar-stream";
import { ImageError } from "../errors.ts";
import { withIoError } from "../runtimes/io-error.ts";
import { pathBeside } from "../store/replace-file.ts";
import { debianTool, messageOf, unavailable as unavailableFromDebian } from "./debian-tool.ts";
import type { Kernel, KernelStore } from "./kernel-store.ts";

/** Always depends on the newest kernel of its suite. */
const META_PACKAGE = "linux-image-cloud-amd64";

const SUBJECT = "Debian's cloud kernel";

/**
 * Downloads, unpacks and takes in the newest cloud kernel of this machine's Debian.
 *
 * @throws {ImageError} WL_IMAGE_KERNEL_UNAVAILABLE when apt cannot provide it
 */
export async function addDebianKernel(
  store: KernelStore,
  options: { readonly cacheFolder: string; readonly signal?: AbortSignal },
): Promise<Kernel> {
  const { cacheFolder, signal } = options;
  await mkdir(cacheFolder, { recursive: true });
  const folder = await mkdtemp(pathBeside(join(cacheFolder, "kernel-package")));
  try {
    await chmod(folder, 0o755); // apt's download runs as a user of its own where it can
    const wait = { subject: SUBJECT, ...(signal && { signal }) };
    const stdout = await debianTool("apt-cache", ["depends", META_PACKAGE], wait);
    const name = /^\s*Depends: (linux-image-\S+)$/m.exec(stdout)?.[1];
    if (name === undefined) throw unavailable(`package ${META_PACKAGE} is not known to apt`);
    await debianTool("apt-get", ["download", "-qq", name], { cwd: folder, ...wait });
    const file = (await readdir(folder)).find((entry) => entry.endsWith(".deb"));
    if (file === undefined) throw unavailable(`apt-get downloaded no package ${name}`);
    return await addKernelPackage(store, join(folder, file), { workFolder: folder, ...wait });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Takes in the kernel of a Debian package that is here already. */
export async function addKernelPackage(
  store: KernelStore,
  packagePath: string,
  options: { readonly workFolder: string; readonly signal?: AbortSignal },
): Promise<Kernel> {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-deb's own placeholders
  const fields = ["--show", "--showformat", "${Package} ${Version}", packagePath];
  const title = await debianTool("dpkg-deb", fields, { subject: SUBJECT, signal: options.signal });
  const paths = await unpack(packagePath, join(options.workFolder, "root"), options.signal);
  const vmlinuz = paths.find((path) => basename(path).startsWith("vmlinuz-"));
  if (vmlinuz === undefined) throw unavailable(`package "${packagePath}" holds no kernel`);
  return await store.add({
    vmlinuzPath: vmlinuz,
    modulePaths: paths.filter((path) => path.endsWith(".ko")),
    source: `Debian package ${title}`,
  });
}

/** Unpacks the kernel and its modules only. */
async function unpack(
  packagePath: string,
  target: string,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const child = spawn("dpkg-deb", ["--fsys-tarfile", packagePath], {
    stdio: ["ignore", "pipe", "ignore"],
    ...(signal ? { signal } : {}),
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (status, killedBy) => {
      if (status === 0) resolve();
      else reject(new Error(`dpkg-deb ended with ${killedBy ?? `exit status ${status}`}`));
    });
  });
  const archive = extract();
  const extracted = extractKernel(archive, target);
  try {
    const [paths] = await Promise.all([extracted, pipeline(child.stdout, archive), ended]);
    return paths;
  } catch (cause) {
    archive.destroy();
    await Promise.allSettled([extracted, ended]);
    signal?.throwIfAborted();
    if (cause instanceof ImageError) throw cause;
    throw unavailable(`package "${packagePath}" cannot be unpacked: ${messageOf(cause)}`, cause);
  }
}

async function extractKernel(archive: Extract, target: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const entry of archive) {
    const name = normalize(entry.header.name);
    const isWanted = /^boot\/vmlinuz-[^/]+$|^lib\/modules\/.*\.ko$/.test(name);
    if (entry.header.type === "file" && isWanted) {
      const path = join(target, name);
      await withIoError("write", path, mkdir(dirname(path), { recursive: true }));
      await withIoError("write", path, pipeline(entry, createWriteStream(path)));
      paths.push(path);
    } else {
      entry.resume();
    }
  }
  return paths;
}

function unavailable(why: string, cause?: unknown): ImageError {
  return unavailableFromDebian(SUBJECT, why, cause);
}
