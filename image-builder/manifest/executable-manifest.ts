/** The manifest of an executable that is built as it is, without a project around it. */
import { basename, join } from "node:path/posix";
import { APP_PATH } from "../project/guest-paths.ts";
import type { Manifest } from "./manifest.ts";
import { imageNameOf } from "./package-json.ts";

/** Programs of the host keep their path, because what belongs to them is found beside it. */
const SYSTEM_FOLDERS = ["/usr/", "/bin/", "/sbin/", "/lib/", "/lib64/", "/opt/"];

export function isSystemPath(path: string): boolean {
  return SYSTEM_FOLDERS.some((folder) => path.startsWith(folder));
}

/**
 * @param file absolute path of an ELF file or of a script that begins with "#!"; links are kept
 * @returns what a windlass.yaml beside it would say; nothing else of its folder goes into the image
 */
export function executableManifest(file: string): Manifest {
  const guestPath = isSystemPath(file) ? file : join(APP_PATH, basename(file));
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
