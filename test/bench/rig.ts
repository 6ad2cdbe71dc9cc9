/** A Windlass home of the bench's own, with this host's kernel in it. */
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
