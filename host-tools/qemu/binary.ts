/** Which QEMU this host has: found in PATH, asked for its version, nothing cached. */
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, isAbsolute, join } from "node:path";
import { HostError } from "../errors.ts";

export const QEMU_PROGRAM = "qemu-system-x86_64";
/** The oldest QEMU whose command line and monitor the conformance tests know. */
export const QEMU_MINIMUM_MAJOR = 7;
/** `--version` takes 20-50 ms; a QEMU that needs this long hangs. */
export const QEMU_VERSION_TIMEOUT_MS = 20_000;

const INSTALL = "Install it: apt-get install qemu-system-x86";
const VERSION_LINE = /^QEMU emulator version ((\d+)\.(\d+)\.(\d+)[^\n]*)/;

export interface QemuBinary {
  /** Absolute. */
  readonly path: string;
  /** Everything after "QEMU emulator version", for example "7.2.22 (Debian 1:7.2+dfsg-7)". */
  readonly version: string;
  readonly major: number;
  readonly minor: number;
  readonly micro: number;
}

/**
 * Finds QEMU and its version.
 *
 * @param options.searchPath the folders to look in, as in PATH; default: PATH
 * @throws {HostError} WL_QEMU_UNAVAILABLE when it is missing, broken, hangs or is too old; or the
 *   signal's reason
 */
export async function findQemu(
  options: {
    readonly searchPath?: string | undefined;
    readonly signal?: AbortSignal | undefined;
    readonly timeoutMs?: number | undefined;
  } = {},
): Promise<QemuBinary> {
  const { searchPath = process.env["PATH"] ?? "", signal, timeoutMs } = options;
  const path = await qemuPath(searchPath);
  if (path === undefined) {
    throw new HostError("WL_QEMU_UNAVAILABLE", `Cannot find "${QEMU_PROGRAM}" in PATH`, {
      next: INSTALL,
    });
  }
  return readQemuVersion(path, { signal, timeoutMs });
}

/** Where QEMU is; undefined when it is nowhere in PATH. */
export function qemuPath(searchPath = process.env["PATH"] ?? ""): Promise<string | undefined> {
  return findProgram(QEMU_PROGRAM, searchPath);
}

/** The first executable file of that name; undefined when there is none. */
async function findProgram(name: string, searchPath: string): Promise<string | undefined> {
  // Relative and empty entries are passed over: they would make the choice depend on the folder.
  const paths = searchPath
    .split(delimiter)
    .filter(isAbsolute)
    .map((folder) => join(folder, name));
  const found = await Promise.all(paths.map(isExecutableFile));
  return paths.find((_path, index) => found[index]);
}

async function isExecutableFile(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false; // Not there, or not for us: the next folder may have it, as execvp(3) does.
  }
}

/**
 * Asks one QEMU for its version.
 *
 * @throws {HostError} WL_QEMU_UNAVAILABLE; or the signal's reason
 */
export async function readQemuVersion(
  path: string,
  options: {
    readonly signal?: AbortSignal | undefined;
    readonly timeoutMs?: number | undefined;
  } = {},
): Promise<QemuBinary> {
  const { signal, timeoutMs = QEMU_VERSION_TIMEOUT_MS } = options;
  const output = await new Promise<string>((resolve, reject) => {
    const limits = { timeout: timeoutMs, killSignal: "SIGKILL", maxBuffer: 64 * 1024 } as const;
    execFile(path, ["--version"], { ...limits, ...(signal && { signal }) }, (cause, stdout) => {
      if (!cause) return resolve(stdout);
      if (signal?.aborted) return reject(signal.reason);
      const why = cause.killed ? `it gave no version in ${timeoutMs} ms` : cause.message.trim();
      reject(unusable(path, why, "Reinstall it: apt-get install --reinstall qemu-system-x86"));
    });
  });
  const [, version, major, minor, micro] = VERSION_LINE.exec(output) ?? [];
  if (version === undefined) {
    throw unusable(path, `"${output.slice(0, 80).trim()}" is no QEMU version`, INSTALL);
  }
  const binary = {
    path,
    version,
    major: Number(major),
    minor: Number(minor),
    micro: Number(micro),
  };
  if (binary.major < QEMU_MINIMUM_MAJOR) {
    const why = `version ${version} is older than ${QEMU_MINIMUM_MAJOR}.0`;
    throw unusable(path, why, "Install a newer QEMU; Debian 12 has 7.2");
  }
  return binary;
}

function unusable(path: string, why: string, next: string): HostError {
  return new HostError("WL_QEMU_UNAVAILABLE", `Cannot use "${path}": ${why}`, { next });
}
