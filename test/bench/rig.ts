/** A Windlass home of the bench's own, with this host's kernel in it. */
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildKernel, isKernelBuilt } from "../../image-builder/kernels/kernel-build.ts";
import { chooseKernel } from "../../image-builder/kernels/kernel-choice.ts";
import { KernelStore } from "../../image-builder/kernels/kernel-store.ts";
import { type Folders, windlassFolders } from "../../image-builder/store/folders.ts";

export const HELLO_FOLDER = join(import.meta.dirname, "../../examples/hello-http");

export interface BenchHome extends AsyncDisposable {
  readonly folder: string;
  readonly folders: Folders;
}

export async function benchHome(): Promise<BenchHome> {
  const own = windlassFolders();
  await chooseKernel(new KernelStore(own.data)); // says what to do when there is none
  const folder = await mkdtemp(join(tmpdir(), "windlass-bench-"));
  const folders: Folders = {
    data: join(folder, "data"),
    cache: join(folder, "cache"),
    runtime: join(folder, "run"),
  };
  await mkdir(folders.data, { recursive: true });
  await mkdir(folders.runtime, { mode: 0o700 });
  await cp(join(own.data, "kernels"), join(folders.data, "kernels"), { recursive: true });
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  return { folder, folders, [Symbol.asyncDispose]: remove };
}

export interface BenchKernel {
  readonly name: "stock" | "own";
  readonly release: string;
}

/** How the kernels of `windlass kernel build` call themselves. */
const OWN_RELEASE = /-windlass$/;

/**
 * The stock kernel, and our own if it was built on this machine: building it would take longer than any
 * bench. Says on standard error which is missing.
 */
export async function benchKernels({ folders }: BenchHome): Promise<BenchKernel[]> {
  const store = new KernelStore(folders.data);
  const isOwn = ({ release }: { readonly release: string }): boolean => OWN_RELEASE.test(release);
  const stock = (await store.list()).find((kernel) => !isOwn(kernel));
  const own = (await store.list()).find(isOwn) ?? (await builtKernel(store));
  const kernels: BenchKernel[] = [];
  if (stock) kernels.push({ name: "stock", release: stock.release });
  else console.error('left out: the stock kernel; "windlass kernel add debian" brings it');
  if (own) kernels.push({ name: "own", release: own.release });
  else console.error('left out: our own kernel; "windlass kernel build" makes it');
  return kernels;
}

async function builtKernel(store: KernelStore): Promise<{ readonly release: string } | undefined> {
  const { cache: cacheFolder } = windlassFolders();
  // Where it cannot even be told, it has not been built.
  const isBuilt = await isKernelBuilt({ cacheFolder }).catch(() => false);
  return isBuilt ? (await buildKernel({ store, cacheFolder })).kernel : undefined;
}
