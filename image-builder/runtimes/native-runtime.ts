/** Programs that are executables themselves: the file, and the libraries that it loads. */
import { realpathSync } from "node:fs";
import { isAbsolute, join, posix } from "node:path";
import { ImageError } from "../errors.ts";
import { APP_PATH } from "../project/guest-paths.ts";
import { folderContent } from "../project/project-folder.ts";
import { executableEntry } from "./closure-entries.ts";
import { commandOf, type Runtime, type RuntimeProject, type RuntimeRequest } from "./runtime.ts";

async function collect({ root, manifest, signal }: RuntimeRequest): Promise<RuntimeProject> {
  const [command = "", ...args] = commandOf(manifest.program) ?? [];
  if (command === "") {
    throw new ImageError("WL_IMAGE_PROJECT_INVALID", `${manifest.source} says no command`, {
      file: manifest.source,
      next: 'Add command: ["./program"], or a program of this host such as "/usr/bin/python3"',
    });
  }
  const isOwn = !isAbsolute(command);
  const hostPath = realpathSync(isOwn ? join(root, command) : command);
  const guestPath = isOwn ? posix.join(APP_PATH, command) : command;
  const content = await folderContent({ root, manifest, signal });
  return {
    entries: [...content.entries, await executableEntry(hostPath, guestPath)],
    argv: [guestPath, ...args, ...manifest.args],
    nativeAddons: [{ hostPath, guestPath }],
    dependencies: [],
    fingerprint: content.fingerprint,
    warnings: manifest.warnings,
    runtime: { name: "native", version: "" },
    detail: `${command}, an executable of this host's kind`,
    env: {},
  };
}

export const nativeRuntime: Runtime = {
  name: "native",
  title: "Executable",
  summary: "An executable for x86-64 Linux with the libraries that it loads",
  markers: [],
  packages: [],
  collect,
  starter: () => ({}),
};
