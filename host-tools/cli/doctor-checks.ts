/** The checks of `windlass doctor`: what Windlass needs of a host, what it found, what helps. */
import { constants } from "node:fs";
import { access, mkdir, stat, statfs } from "node:fs/promises";
import { userInfo } from "node:os";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import { findHostKernel } from "../../image-builder/kernels/host-kernel.ts";
import { KernelStore } from "../../image-builder/kernels/kernel-store.ts";
import type { Folders } from "../../image-builder/store/folders.ts";
import { judgeAccelerator, readAcceleratorFacts } from "../qemu/accelerator-facts.ts";
import { findQemu } from "../qemu/binary.ts";
import { bytesText } from "./quantity-text.ts";

export interface Check {
  readonly name: string;
  /** fail: something that is needed is missing. warn: it works, but not as well as it could. */
  readonly status: "ok" | "warn" | "fail";
  /** What was found. */
  readonly reason: string;
  /** What to do; null when nothing has to be done. */
  readonly remedy: string | null;
}

/** A first image needs about this much, its kernel unpacked included. */
const FREE_BYTES_MIN = 256 * 1024 * 1024;
const NODE_MAJOR_MIN = 20;
/** A Unix socket's path has at most 107 bytes (unix(7)); ours is "FOLDER/0123456789ab.qmp". */
const RUNTIME_PATH_BYTES_MAX = 107 - "/0123456789ab.qmp".length;

/** In the order in which they matter. */
export async function runChecks(
  folders: Folders,
  options: { readonly searchPath?: string; readonly signal: AbortSignal },
): Promise<Check[]> {
  const searchPath = options.searchPath ?? process.env["PATH"] ?? "";
  return await Promise.all([
    nodeCheck(process.versions.node),
    qemuCheck(searchPath, options.signal),
    kvmCheck(),
    programCheck(searchPath, "flock", { needed: true, purpose: "locks" }),
    programCheck(searchPath, "setpriv", { needed: true, purpose: "locks that wait" }),
    kernelCheck(folders),
    folderCheck("data folder", folders.data),
    folderCheck("cache folder", folders.cache),
    runtimeCheck(folders.runtime),
    programCheck(searchPath, "npm", {
      needed: false,
      purpose: "fetching other versions of Node",
      remedy: "Install npm, or keep to the Node that runs Windlass",
    }),
    programCheck(searchPath, "dpkg-deb", {
      needed: false,
      purpose: "unpacking Debian's kernel packages",
      remedy: "On other systems: windlass kernel add FILE",
    }),
  ]);
}

/** Whether Windlass can work at all. */
export function isHealthy(checks: readonly Check[]): boolean {
  return checks.every(({ status }) => status !== "fail");
}

export function nodeCheck(version: string): Check {
  const name = "Node";
  if (Number.parseInt(version, 10) >= NODE_MAJOR_MIN) return ok(name, version);
  return fail(name, `version ${version} is too old`, `Install Node ${NODE_MAJOR_MIN} or newer`);
}

async function qemuCheck(searchPath: string, signal: AbortSignal): Promise<Check> {
  try {
    const { path, version } = await findQemu({ searchPath, signal });
    return ok("QEMU", `${version} at ${path}`);
  } catch (error) {
    signal.throwIfAborted();
    const next = (error as { facts?: { next?: string } }).facts?.next ?? "Install QEMU";
    return fail("QEMU", (error as Error).message, next);
  }
}

/** The passive look only: /dev/kvm is not opened. */
async function kvmCheck(): Promise<Check> {
  const { usable, reason, next } = judgeAccelerator(await readAcceleratorFacts());
  if (usable === "yes") return ok("KVM", reason);
  if (usable === "probe") {
    return warn("KVM", `${reason}; the first start tries it with a probe guest`, next ?? null);
  }
  return warn("KVM", `${reason}; machines are emulated, which is slower`, next ?? null);
}

async function programCheck(
  searchPath: string,
  program: string,
  use: { readonly needed: boolean; readonly purpose: string; readonly remedy?: string },
): Promise<Check> {
  for (const folder of searchPath.split(delimiter).filter(isAbsolute)) {
    const path = join(folder, program);
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return ok(program, path);
  }
  const reason = `not in PATH; needed for ${use.purpose}`;
  if (use.needed) return fail(program, reason, "apt-get install util-linux");
  return warn(program, reason, use.remedy ?? null);
}

async function kernelCheck(folders: Folders): Promise<Check> {
  const current = await new KernelStore(folders.data).current();
  if (current) return ok("kernel", `${current.release} (${current.source})`);
  const installed = await findHostKernel();
  if (installed) return ok("kernel", `${installed.vmlinuzPath}, taken in by the first build`);
  return fail("kernel", "Windlass has none and none is installed", "windlass kernel add debian");
}

async function folderCheck(name: string, path: string): Promise<Check> {
  try {
    await mkdir(path, { recursive: true });
    await access(path, constants.W_OK | constants.X_OK);
    const { bavail, bsize } = await statfs(path);
    const freeBytes = bavail * bsize;
    const found = `${path}, ${bytesText(freeBytes)} free`;
    if (freeBytes >= FREE_BYTES_MIN) return ok(name, found);
    return warn(name, found, "Free space, or set WINDLASS_HOME to a folder on another disk");
  } catch (error) {
    const remedy = "Make it writable, or set WINDLASS_HOME to another folder";
    return fail(name, (error as Error).message, remedy);
  }
}

async function runtimeCheck(path: string): Promise<Check> {
  const name = "socket folder";
  const remedy = "Set XDG_RUNTIME_DIR to a short path of a folder of your own";
  if (Buffer.byteLength(path) > RUNTIME_PATH_BYTES_MAX) {
    return fail(name, `the path of ${path} is too long for sockets`, remedy);
  }
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) {
    const parent = dirname(path);
    const usable = await access(parent, constants.W_OK).then(
      () => true,
      () => false,
    );
    if (usable) return ok(name, `${path}, made by the first start`);
    return fail(name, `${parent} is not writable`, remedy);
  }
  const isOwn = found.isDirectory() && found.uid === userInfo().uid && (found.mode & 0o077) === 0;
  return isOwn ? ok(name, path) : fail(name, `${path} is not a folder of this user alone`, remedy);
}

function ok(name: string, reason: string): Check {
  return { name, status: "ok", reason, remedy: null };
}

function warn(name: string, reason: string, remedy: string | null): Check {
  return { name, status: "warn", reason, remedy };
}

function fail(name: string, reason: string, remedy: string): Check {
  return { name, status: "fail", reason, remedy };
}
