/** The argument list that the guest runs: argv[0] absolute, and checked to be in the image. */
import { join, posix } from "node:path";
import { ImageError } from "../errors.ts";
import { resolveBin } from "../manifest/entry-point.ts";
import type { Manifest } from "../manifest/manifest.ts";
import type { TreeEntry } from "../rootfs/tree.ts";
import { APP_PATH, NODE_PATH } from "./guest-paths.ts";

export interface GuestArgvRequest {
  /** The project folder on the host. */
  readonly root: string;
  readonly manifest: Manifest;
  /** What the image holds. */
  readonly entries: readonly TreeEntry[];
  /** Stands for a TypeScript entry, relative to the folder. */
  readonly bundlePath?: string;
}

/** @throws {ImageError} WL_IMAGE_PROJECT_INVALID when what is to run is not in the image */
export function guestArgv(request: GuestArgvRequest): string[] {
  const { manifest, bundlePath } = request;
  const { program } = manifest;
  if (program.kind === "script") {
    const script = posix.join(APP_PATH, bundlePath ?? program.entry);
    checkHeld(request, script, program.entry);
    const flags = bundlePath === undefined ? [] : ["--enable-source-maps"];
    return [NODE_PATH, ...flags, ...program.nodeFlags, script, ...manifest.args];
  }
  if (program.kind === "default") throw new TypeError("a Node program has an entry or a command");
  const [command = "", ...rest] = program.argv;
  return [...resolveCommand(request, command), ...rest, ...manifest.args];
}

/**
 * "node" is the runtime, a path is a file of the project (from /app unless absolute), and another bare
 * name is a command that an installed package brings: its script, run by node.
 */
function resolveCommand(request: GuestArgvRequest, command: string): string[] {
  if (command === "node" || command === NODE_PATH) return [NODE_PATH];
  if (command.startsWith("/") && !command.startsWith(`${APP_PATH}/`)) return [command];
  if (command.includes("/")) {
    const path = posix.resolve(APP_PATH, command);
    checkHeld(request, path, command);
    return /\.[cm]?js$/.test(path) ? [NODE_PATH, path] : [path];
  }
  const script = resolveBin(request.root, command);
  if (script !== undefined) {
    const path = posix.join(APP_PATH, script);
    checkHeld(request, path, command);
    return [NODE_PATH, path];
  }
  throw new ImageError(
    "WL_IMAGE_PROJECT_INVALID",
    `The command ${JSON.stringify(command)} is not in the image`,
    {
      file: request.manifest.source,
      next: "Use node, a path in the project, or the command of a production dependency",
    },
  );
}

/** Follows links of the image, since node does: node_modules/NAME may be one. */
function checkHeld(request: GuestArgvRequest, path: string, shown: string): void {
  if (request.entries.some((entry) => entry.kind === "file" && entry.path === path)) return;
  const links = new Map<string, string>();
  const files = new Set<string>();
  for (const entry of request.entries) {
    if (entry.kind === "file") files.add(entry.path);
    else if (entry.kind === "symlink") links.set(entry.path, entry.target);
  }
  if (files.has(resolveLinks(path, links))) return;
  const { root, manifest } = request;
  throw new ImageError(
    "WL_IMAGE_PROJECT_INVALID",
    `${JSON.stringify(shown)} is not in the image: ${join(root, shown)} does not exist, is no file, or is left out`,
    {
      file: manifest.source,
      next: "Correct the entry, build the project first, or bring the file back with files.include",
    },
  );
}

/** Linux gives up after 40 links (MAXSYMLINKS in include/linux/namei.h). */
const MAX_SYMLINKS = 40;

function resolveLinks(path: string, links: ReadonlyMap<string, string>): string {
  let current = path;
  for (let step = 0; step < MAX_SYMLINKS; step += 1) {
    const parts = current.split("/");
    const at = parts.findIndex((_, index) => links.has(parts.slice(0, index + 1).join("/")));
    if (at < 0) return current;
    const link = parts.slice(0, at + 1).join("/");
    const target = posix.resolve(posix.dirname(link), links.get(link) ?? "");
    current = posix.join(target, ...parts.slice(at + 1));
  }
  return "";
}
