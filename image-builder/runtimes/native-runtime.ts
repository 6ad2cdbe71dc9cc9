/** Programs that are executables themselves: the file, its interpreter, what it loads and opens. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { isAbsolute, join, posix } from "node:path";
import { ImageError } from "../errors.ts";
import { APP_PATH } from "../project/guest-paths.ts";
import { folderContent } from "../project/project-folder.ts";
import type { FileEntry, TreeEntry } from "../rootfs/tree.ts";
import { classifyBinary } from "./binary-kind.ts";
import { addProgramNeeds } from "./program-closure.ts";
import { describeProgram } from "./program-description.ts";
import { fileHead, ProgramFiles } from "./program-files.ts";
import {
  commandOf,
  type Runtime,
  type RuntimeName,
  type RuntimeProject,
  type RuntimeRequest,
} from "./runtime.ts";
import { LOCK_FILE, readTraceLock } from "./trace-lock.ts";

async function collect({ root, manifest, signal }: RuntimeRequest): Promise<RuntimeProject> {
  const [command = "", ...args] = commandOf(manifest.program) ?? [];
  if (command === "") {
    throw new ImageError("WL_IMAGE_PROJECT_INVALID", `${manifest.source} says no command`, {
      file: manifest.source,
      next: 'Add command: ["./program"], or a program of this host such as "/usr/bin/python3"',
    });
  }
  const guestPath = guestPathOf(command);
  const content = await folderContent({ root, manifest, signal });
  const files = new ProgramFiles(root, signal);
  const hostPath = files.hostPathOf(guestPath);
  await files.add(hostPath, guestPath);
  if (files.binaries.length === 0) throw await notExecutable(hostPath);
  await addPlaced(files, content.entries, signal);
  await addLocked(files, guestPath, root);
  const { opens } = await addProgramNeeds(files, {
    env: manifest.env,
    nameServices: nameServicesOf(content.entries),
    signal,
  });
  const own = executableAgain(files.entries, guestPath);
  return {
    entries: [...content.entries, ...own],
    argv: [guestPath, ...args, ...manifest.args],
    nativeAddons: files.binaries.map((file) => (file.isOptional ? file : { ...file, opens })),
    dependencies: [],
    fingerprint: createHash("sha256")
      .update(content.fingerprint)
      .update(identity(own))
      .digest("hex"),
    warnings: manifest.warnings,
    runtime: { name: "native", version: "" },
    detail: `${command}, ${await describeProgram(files)}`,
    env: {},
  };
}

/** The program's path in the guest, by the manifest's command. */
export function guestPathOf(command: string): string {
  return isAbsolute(command) ? posix.normalize(command) : posix.join(APP_PATH, command);
}

/** Programs and libraries among the files that the project brings: their libraries come along. */
async function addPlaced(
  files: ProgramFiles,
  entries: readonly TreeEntry[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const known = new Set(files.binaries.map(({ guestPath }) => guestPath));
  for (const entry of entries) {
    if (entry.kind !== "file" || entry.source.kind !== "path" || known.has(entry.path)) continue;
    const kind = await classifyBinary(entry.source.path, signal ? { signal } : {});
    if (!kind.startsWith("elf-")) continue;
    // What lies in the project's folder may be there for other ends; what is included is meant.
    const isOptional = entry.path.startsWith(`${APP_PATH}/`);
    const file = { hostPath: entry.source.path, guestPath: entry.path };
    files.binaries.push({ ...file, ...(isOptional && { isOptional }) });
  }
}

/** What a traced run has shown (trace-lock.ts). */
async function addLocked(files: ProgramFiles, program: string, root: string): Promise<void> {
  for (const path of readTraceLock(root)[program] ?? []) {
    const hostPath = files.hostPathOf(path);
    if (!existsSync(hostPath)) {
      const message = `${LOCK_FILE} names ${hostPath}, which is not on this machine`;
      throw new ImageError("WL_IMAGE_PROJECT_INVALID", message, {
        file: join(root, LOCK_FILE),
        next: "Install its package, or remove the line and trace again (windlass build --trace)",
      });
    }
    await files.add(hostPath, path);
  }
}

/** A program that its owner forgot to make executable is still what the image runs. */
function executableAgain(entries: ReadonlyMap<string, TreeEntry>, program: string): TreeEntry[] {
  let path = program;
  for (let entry = entries.get(path); entry?.kind === "symlink"; entry = entries.get(path)) {
    path = posix.resolve(posix.dirname(path), entry.target);
  }
  return [...entries.values()].map((entry) =>
    entry.kind === "file" && entry.path === path ? { ...entry, mode: 0o755 } : entry,
  );
}

function nameServicesOf(entries: readonly TreeEntry[]): string | undefined {
  const isFile = (entry: TreeEntry): entry is FileEntry =>
    entry.kind === "file" && entry.path === "/etc/nsswitch.conf";
  const source = entries.find(isFile)?.source;
  return source?.kind === "path" ? readFileSync(source.path, "utf8") : undefined;
}

/** Changes when one of the files may have. */
function identity(entries: readonly TreeEntry[]): string {
  const lines = entries.map((entry) => {
    if (entry.kind === "symlink") return `l ${entry.path}\0${entry.target}`;
    if (entry.kind !== "file") return `d ${entry.path}`;
    const { source } = entry;
    if (source.kind !== "path") return `b ${entry.path}\0${digest(source)}`;
    const { mode, size, mtimeMs, ctimeMs, ino } = statSync(source.path);
    return `f ${entry.path}\0${[mode, size, mtimeMs, ctimeMs, ino].join("\0")}`;
  });
  return lines.join("\n");
}

function digest(source: FileEntry["source"]): string {
  return source.kind === "bytes" ? createHash("sha256").update(source.bytes).digest("hex") : "";
}

/** What people name in place of its folder. */
const SOURCES: Readonly<Record<string, RuntimeName>> = {
  ...{ ".js": "node", ".mjs": "node", ".cjs": "node", ".ts": "node" },
  ...{ ".py": "python", ".rb": "ruby" },
};

async function notExecutable(path: string): Promise<ImageError> {
  const { describeBinary } = await import("./binary-description.ts");
  const what = describeBinary(fileHead(path));
  const message = `Cannot use ${JSON.stringify(path)}: it is ${what}, no executable and no script`;
  const runtime = SOURCES[posix.extname(path)];
  const next =
    runtime === undefined
      ? 'Name an ELF executable for x86-64 Linux, or a script that begins with "#!"'
      : `A source is built with its folder: write "runtime: ${runtime}" and "entry: ${posix.basename(path)}" into a windlass.yaml beside it, and name the folder`;
  return new ImageError("WL_IMAGE_BINARY_INVALID", message, { file: path, next });
}

export const nativeRuntime: Runtime = {
  name: "native",
  title: "Executable",
  summary:
    "An executable for x86-64 Linux, or a script, with the libraries and files that it opens",
  markers: [],
  packages: [],
  collect,
  starter: () => ({}),
};
