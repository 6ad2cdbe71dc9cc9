/** The kernel's makefiles: from a source tree to a bzImage. */
import { readFile, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { ImageError } from "../errors.ts";
import { withIoError } from "../runtimes/io-error.ts";
import { buildFailure, isObjectLine } from "./compiler-output.ts";
import { kernelOptions, overriddenOptions } from "./kernel-configuration.ts";
import { type GroupEnd, runGroup } from "./process-group.ts";

/** Objects of kernel.config with Linux 6.1; only the progress depends on it. */
const OBJECTS_ABOUT = 1800;
/** What a kernel says of its making (scripts/mkcompile_h): the same for everybody. */
export const KERNEL_ORIGIN = {
  KBUILD_BUILD_TIMESTAMP: "Thu Jan  1 00:00:00 UTC 1970",
  KBUILD_BUILD_USER: "windlass",
  KBUILD_BUILD_HOST: "windlass",
  KBUILD_BUILD_VERSION: "1",
};

/** @throws {ImageError} WL_IMAGE_KERNEL_UNAVAILABLE that names every option without effect */
export async function configureKernel(
  tree: string,
  configuration: string,
  signal?: AbortSignal,
): Promise<void> {
  const wantedPath = join(tree, ".windlass.config");
  await withIoError("write", wantedPath, writeFile(wantedPath, configuration));
  checkEnd(await runMake(tree, ["allnoconfig"], { KCONFIG_ALLCONFIG: wantedPath }, { signal }));
  const options = kernelOptions(configuration, wantedPath);
  const path = join(tree, ".config");
  const actual = kernelOptions(await withIoError("read", path, readFile(path, "utf8")), path);
  const overridden = overriddenOptions(options, actual);
  if (overridden.length === 0) return;
  const list = overridden.map(({ name, wanted, actual }) => `${name}=${wanted} became ${actual}`);
  throw new ImageError(
    "WL_IMAGE_KERNEL_UNAVAILABLE",
    `Cannot configure the kernel: its rules changed options: ${list.join(", ")}`,
    { next: "Ask for what these options depend on, or leave them out" },
  );
}

export interface CompiledKernel {
  /** Path of the bzImage. */
  readonly path: string;
  readonly objectCount: number;
}

/**
 * Compiles a configured kernel with all CPUs, at low priority.
 *
 * @param onCompiled told of the part of the objects that are there, from 0 to 1; it is an estimate
 */
export async function compileKernel(
  tree: string,
  onCompiled: ((share: number) => void) | undefined,
  signal?: AbortSignal,
): Promise<CompiledKernel> {
  let objectCount = 0;
  const onLine = (line: string): void => {
    if (!isObjectLine(line)) return;
    objectCount += 1;
    onCompiled?.(Math.min(objectCount / OBJECTS_ABOUT, 1));
  };
  const jobs = `--jobs=${availableParallelism()}`;
  checkEnd(await runMake(tree, [jobs, "bzImage"], {}, { onLine, signal }));
  return { path: join(tree, "arch/x86/boot/bzImage"), objectCount };
}

async function runMake(
  tree: string,
  targets: readonly string[],
  variables: Readonly<Record<string, string>>,
  wait: { readonly onLine?: (line: string) => void; readonly signal?: AbortSignal | undefined },
): Promise<GroupEnd> {
  const environment = {
    ...{ PATH: process.env["PATH"] ?? "", LC_ALL: "C", ...KERNEL_ORIGIN },
    ...variables,
  };
  const argv = ["make", "ARCH=x86_64", "V=0", ...targets];
  return await runGroup(argv, { cwd: tree, environment, ...wait });
}

function checkEnd({ succeeded, how, lastLines }: GroupEnd): void {
  if (succeeded) return;
  const { isDiskFull, reason } = buildFailure(lastLines);
  if (isDiskFull) throw diskFull(reason);
  throw new ImageError(
    "WL_IMAGE_KERNEL_UNAVAILABLE",
    `Cannot build the kernel: make ended with ${how}: ${reason}`,
    { next: 'Use Debian\'s kernel: "windlass kernel add debian"' },
  );
}

export function diskFull(why: string): ImageError {
  return new ImageError("WL_IMAGE_IO", `Cannot build the kernel: the disk is full: ${why}`, {
    next: "Free space, or set XDG_CACHE_HOME to a folder on another disk",
  });
}
