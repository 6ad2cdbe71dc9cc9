/** A home of Windlass's own for tests that run the built CLI as a user does. */
import { execFile } from "node:child_process";
import { access, chmod, cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { Instances } from "../../host-tools/instance/instances.ts";
import type { Kernel } from "../../image-builder/kernels/kernel-store.ts";
import { presentKernel } from "../support/kernel.ts";
import { plantSeed } from "../support/seed.ts";

const CLI = join(import.meta.dirname, "../../dist/host-tools/cli/main.js");

export interface CliResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliHome extends AsyncDisposable {
  readonly folder: string;
  /** With `windlass` in PATH and a WINDLASS_HOME of its own. */
  readonly environment: NodeJS.ProcessEnv;
  readonly instances: Instances;
  /** Runs `windlass` to its end; does not throw for an exit code. */
  windlass(
    args: readonly string[],
    options?: { cwd?: string; signal?: AbortSignal },
  ): Promise<CliResult>;
}

/**
 * Has a kernel, no images and no instances. Disposing of it kills what runs and removes everything.
 *
 * @param options.empty without what another build left: default false
 */
export async function cliHome({ empty = false } = {}): Promise<CliHome> {
  await access(CLI).catch((cause) => {
    throw new Error("the CLI is not built: run npm run build", { cause });
  });
  const kernel = await presentKernel();
  if (!kernel) throw new Error('there is no kernel: run "npx windlass kernel add debian"');
  const folder = await mkdtemp(join(tmpdir(), "windlass-e2e-"));
  const runtime = join(folder, "run");
  const folders = {
    data: join(folder, "data"),
    cache: join(folder, "cache"),
    runtime: join(runtime, "windlass"),
  };
  await mkdir(runtime, { mode: 0o700 });
  await mkdir(join(folder, "bin"));
  const launcher = join(folder, "bin/windlass");
  await writeFile(launcher, `#!/bin/sh\nexec "${process.execPath}" -- "${CLI}" "$@"\n`);
  await chmod(launcher, 0o755);
  if (!empty) await plantSeed(folders);
  await copyKernel(kernel, folders.data);
  const environment = {
    ...process.env,
    PATH: `${join(folder, "bin")}${delimiter}${process.env["PATH"] ?? ""}`,
    WINDLASS_HOME: folder,
    XDG_RUNTIME_DIR: runtime,
  };
  const instances = new Instances(folders);
  return {
    folder,
    environment,
    instances,
    async windlass(args, options = {}) {
      try {
        const { stdout, stderr } = await promisify(execFile)(launcher, [...args], {
          ...options,
          env: environment,
        });
        return { exitCode: 0, stdout, stderr };
      } catch (error) {
        const { code, stdout = "", stderr = "" } = error as Partial<CliResult> & { code?: unknown };
        if (typeof code !== "number") throw error;
        return { exitCode: code, stdout, stderr };
      }
    },
    async [Symbol.asyncDispose]() {
      for (const { record } of await instances.list()) {
        await instances.remove(record.id, { force: true });
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function copyKernel(kernel: Kernel, dataFolder: string): Promise<void> {
  const kernels = join(dataFolder, "kernels");
  await cp(kernel.folder, join(kernels, kernel.release), { recursive: true });
  await writeFile(join(kernels, "current"), `${kernel.release}\n`);
}
