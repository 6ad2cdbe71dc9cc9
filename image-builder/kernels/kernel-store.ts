/**
 * The kernels that Windlass has: one folder each under the data folder.
 *
 * ```
 * kernels/RELEASE/kernel.json   what it is (Kernel, without the folder)
 *                 vmlinuz       as its maker packed it
 *                 modules/*.ko  those a guest loads, and spare ones
 * kernels/current               release used when nobody names one
 *         .lock                 held while a kernel is added
 * ```
 */
import { createHash } from "node:crypto";
import {
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from "node:fs/promises";
import { basename, join } from "node:path";
import { ImageError } from "../errors.ts";
import { withIoError } from "../runtimes/io-error.ts";
import { lockFile } from "../store/file-lock.ts";
import { pathBeside, REMAINS_PREFIX, removeRemains, replaceFile } from "../store/replace-file.ts";
import { isElfKernel, kernelRelease } from "./bz-image.ts";
import { GUEST_MODULES, moduleLoadOrder, SPARE_MODULES } from "./module-set.ts";

export interface Kernel {
  /** As `uname -r` prints it; for an ELF kernel file, its name and digest. */
  readonly release: string;
  /** SHA-256 of vmlinuz, in hex. */
  readonly digest: string;
  readonly sizeBytes: number;
  /** In words: "Debian package linux-image-... 6.1.192-2", "file /path". */
  readonly source: string;
  /** What a guest loads: file names under modules/, in load order. */
  readonly modules: readonly string[];
  /**
   * What is kept but not loaded, in an order that follows `modules`. Empty for a kernel without any, and
   * for one that an older Windlass took in: adding it again brings them.
   */
  readonly spareModules: readonly string[];
  readonly folder: string;
}

type KernelRecord = Omit<Kernel, "folder">;
/** As older versions wrote it, too. */
type StoredRecord = Omit<KernelRecord, "spareModules"> & Partial<KernelRecord>;

export interface KernelFiles {
  /** A bzImage or an ELF kernel. */
  readonly vmlinuzPath: string;
  /** Uncompressed .ko files the kernel belongs with; empty for a kernel without modules. */
  readonly modulePaths: readonly string[];
  readonly source: string;
}

export const vmlinuzPath = (kernel: Kernel): string => join(kernel.folder, "vmlinuz");
export const modulePath = (kernel: Kernel, name: string): string =>
  join(kernel.folder, "modules", name);

/** Every module that is kept of a kernel: paths, in load order. */
export function modulePaths(kernel: Kernel): string[] {
  return [...kernel.modules, ...kernel.spareModules].map((name) => modulePath(kernel, name));
}

export class KernelStore {
  readonly #folder: string;

  /** @param dataFolder Folders.data */
  constructor(dataFolder: string) {
    this.#folder = join(dataFolder, "kernels");
  }

  /** Every kernel, in the order of their releases. */
  async list(): Promise<Kernel[]> {
    const names = await readdir(this.#folder).catch(() => []);
    const kernels = await Promise.all(names.sort().map((name) => this.#read(name)));
    return kernels.filter((kernel) => kernel !== undefined);
  }

  /** The release that is used when nobody names one. */
  async current(): Promise<Kernel | undefined> {
    const release = await readFile(join(this.#folder, "current"), "utf8").catch(() => undefined);
    return release === undefined ? undefined : this.#read(release.trim());
  }

  /** @throws {ImageError} WL_IMAGE_KERNEL_UNAVAILABLE when there is no such kernel */
  async get(release: string): Promise<Kernel> {
    const kernel = await this.#read(release);
    if (kernel) return kernel;
    const known = (await this.list()).map((one) => one.release).join(", ") || "none";
    throw new ImageError(
      "WL_IMAGE_KERNEL_UNAVAILABLE",
      `Cannot use kernel "${release}": Windlass has no such kernel (it has: ${known})`,
      { next: 'Run "windlass kernel add debian", or "windlass kernel add FILE"' },
    );
  }

  /**
   * Takes a kernel in, with the modules a guest needs and the spare ones; the first one becomes the
   * current one. A kernel that is here already stays as it is; it keeps its modules when the same one is
   * added without, and gets those it lacks when the same one is added with more.
   *
   * @throws {ImageError} WL_IMAGE_KERNEL_UNAVAILABLE when it is no kernel, WL_IMAGE_IO
   */
  async add(files: KernelFiles): Promise<Kernel> {
    const bytes = await withIoError("read", files.vmlinuzPath, readFile(files.vmlinuzPath));
    const digest = createHash("sha256").update(bytes).digest("hex");
    const release = isElfKernel(bytes)
      ? `${basename(files.vmlinuzPath).replace(/[^\w.+~-]|^\./g, "_")}-${digest.slice(0, 8)}`
      : kernelRelease(bytes, files.vmlinuzPath);
    const loaded = await moduleLoadOrder(files.modulePaths);
    const kept = await moduleLoadOrder(files.modulePaths, [...GUEST_MODULES, ...SPARE_MODULES]);
    const names = kept.map((path) => basename(path));
    const modules = names.slice(0, loaded.length);
    const spareModules = names.slice(loaded.length);
    await withIoError("write", this.#folder, mkdir(this.#folder, { recursive: true, mode: 0o700 }));
    await using _lock = await lockFile(join(this.#folder, ".lock"));
    await removeRemains(this.#folder);
    const present = await this.#read(release);
    const isPresent =
      present?.digest === digest &&
      (names.length === 0 ||
        names.join(" ") === [...present.modules, ...present.spareModules].join(" "));
    if (!isPresent) {
      const { source } = files;
      const record = { release, digest, sizeBytes: bytes.length, source, modules, spareModules };
      await withIoError("write", this.#folder, this.#write(record, bytes, kept));
    }
    if (!(await this.current())) await this.use(release);
    return this.get(release);
  }

  /** Makes a kernel the current one. */
  async use(release: string): Promise<void> {
    await this.get(release);
    await replaceFile(join(this.#folder, "current"), `${release}\n`);
  }

  /**
   * Removes a kernel. Images that were built with it keep their copy.
   *
   * @throws {ImageError} WL_IMAGE_KERNEL_UNAVAILABLE when there is no such kernel, WL_IMAGE_STORE when it is
   *   the current one
   */
  async remove(release: string): Promise<Kernel> {
    await withIoError("write", this.#folder, mkdir(this.#folder, { recursive: true, mode: 0o700 }));
    await using _lock = await lockFile(join(this.#folder, ".lock"));
    const kernel = await this.get(release);
    if ((await this.current())?.release === release) {
      const others = (await this.list()).map((one) => one.release).filter((one) => one !== release);
      const next =
        others.length > 0
          ? `Choose another one first: windlass kernel use ${others[0]}`
          : "Take another one in first: windlass kernel add debian";
      const message = `Cannot remove kernel "${release}": it is the current one`;
      throw new ImageError("WL_IMAGE_STORE", message, { next });
    }
    const beside = pathBeside(kernel.folder);
    await withIoError("write", kernel.folder, rename(kernel.folder, beside));
    await withIoError("write", beside, rm(beside, { recursive: true }));
    return kernel;
  }

  /** Writes a kernel's folder beside and renames it. The caller holds the lock. */
  async #write(record: KernelRecord, vmlinuz: Buffer, modulePaths: readonly string[]) {
    const beside = await mkdtemp(join(this.#folder, REMAINS_PREFIX));
    try {
      await mkdir(join(beside, "modules"));
      await writeFile(join(beside, "vmlinuz"), vmlinuz);
      for (const path of modulePaths) await copyFile(path, join(beside, "modules", basename(path)));
      await writeFile(join(beside, "kernel.json"), `${JSON.stringify(record, null, 2)}\n`);
      await rm(join(this.#folder, record.release), { recursive: true, force: true });
      await rename(beside, join(this.#folder, record.release));
    } catch (error) {
      await rm(beside, { recursive: true, force: true });
      throw error;
    }
  }

  async #read(name: string): Promise<Kernel | undefined> {
    if (!/^[\w+~-][\w.+~-]*$/.test(name)) return undefined; // Not a release, or a half-written folder.
    const folder = join(this.#folder, name);
    try {
      const text = await readFile(join(folder, "kernel.json"), "utf8");
      const record: StoredRecord = JSON.parse(text);
      return { ...record, spareModules: record.spareModules ?? [], folder };
    } catch {
      return undefined; // Not a kernel's folder: the file "current", or one half removed.
    }
  }
}
