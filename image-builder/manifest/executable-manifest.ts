/** The manifest of an executable that is built as it is, without a project around it. */
import { statSync } from "node:fs";
import { basename, dirname, join } from "node:path/posix";
import { APP_PATH } from "../project/guest-paths.ts";
import type { Manifest } from "./manifest.ts";
import { imageNameOf } from "./package-json.ts";

const SYSTEM_FOLDERS = ["/usr/", "/bin/", "/sbin/", "/lib/", "/lib64/", "/opt/"];
/** What a guest mounts over. */
const VOLATILE_FOLDERS = ["/tmp/", "/run/", "/dev/", "/proc/", "/sys/"];

/**
 * Installed programs keep their path, because what belongs to them is found from it: those of the system, and a
 * bin/NAME beside a lib, as version managers have them (pyenv, uv, SDKMAN!, rbenv).
 */
export function keepsPath(path: string, isFolder = isFolderHere): boolean {
  const startsIn = (folders: readonly string[]) => folders.some((one) => path.startsWith(one));
  if (startsIn(SYSTEM_FOLDERS)) return true;
  if (startsIn(VOLATILE_FOLDERS) || basename(dirname(path)) !== "bin") return false;
  return isFolder(join(dirname(path), "../lib"));
}

function isFolderHere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/**
 * @param file absolute path of an ELF file or of a script that begins with "#!"; links are kept
 * @returns what a windlass.yaml beside it would say; nothing else of its folder goes into the image
 */
export function executableManifest(file: string): Manifest {
  const guestPath = keepsPath(file) ? file : join(APP_PATH, basename(file));
  return {
    name: imageNameOf(basename(file)) ?? "program",
    source: file,
    program: { kind: "command", argv: [guestPath] },
    args: [],
    env: {},
    workdir: APP_PATH,
    user: "0",
    runtime: "native",
    isolation: "process",
    include: [],
    files: { include: [], exclude: [] },
    placed: [],
    ports: [],
    restart: { policy: "no", maxRetries: 0 },
    onExit: "poweroff",
    platform: "linux",
    warnings: [],
  };
}
