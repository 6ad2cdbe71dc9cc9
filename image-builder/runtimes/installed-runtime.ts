/** Runtimes that are one executable of this host: it goes into the image with its libraries and the project's folder. */
import { createHash } from "node:crypto";
import { realpathSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { ImageError } from "../errors.ts";
import { CommandLineError, splitCommandLine } from "../manifest/command-line.ts";
import { folderContent } from "../project/project-folder.ts";
import { executableEntry } from "./closure-entries.ts";
import { withIoError } from "./io-error.ts";
import type { RuntimeName, RuntimeProject, RuntimeRequest } from "./runtime.ts";
import { checkToolVersion, findTool, runTool, type Tool, ToolFailure } from "./toolchain.ts";

export interface InstalledRuntime {
  readonly name: RuntimeName;
  readonly tool: Pick<Tool, "program" | "title" | "folders">;
  /** How it is installed, as one sentence without a full stop. */
  readonly install: string;
  readonly env: Readonly<Record<string, string>>;
  /** Words after the executable; called when the executable is there. */
  readonly words: (request: RuntimeRequest) => readonly string[];
}

/** @throws {ImageError} WL_IMAGE_RUNTIME_UNAVAILABLE when this host lacks it; what `words` throws */
export async function collectInstalled(
  request: RuntimeRequest,
  { name, tool, install, env, words }: InstalledRuntime,
): Promise<RuntimeProject> {
  const { root, manifest, signal } = request;
  const { title, program } = tool;
  const { hostPath, version } = await executableOf(request, { tool, install });
  checkToolVersion(title, version, manifest.runtimeRange);
  const argv = [`/usr/local/bin/${program}`, ...words(request), ...manifest.args];
  const guestPath = argv[0] ?? "";
  const content = await folderContent({ root, manifest, signal });
  const { size, mtimeMs } = statSync(hostPath);
  return {
    entries: [...content.entries, await executableEntry(hostPath, guestPath)],
    argv,
    nativeAddons: [{ hostPath, guestPath }],
    dependencies: [],
    fingerprint: createHash("sha256")
      .update(JSON.stringify([content.fingerprint, hostPath, size, mtimeMs, version, argv]))
      .digest("hex"),
    warnings: manifest.warnings,
    runtime: { name, version },
    detail: `${title} ${version}, this host's`,
    env,
  };
}

/** npm has launchers, scripts and programs, in the place of executables that it did not install whole. */
async function executableOf(
  { root, signal }: RuntimeRequest,
  { tool, install }: Pick<InstalledRuntime, "tool" | "install">,
): Promise<{ readonly hostPath: string; readonly version: string }> {
  const unavailable = (why: string, next: string): ImageError => {
    const message = `Cannot build ${JSON.stringify(root)}: ${why}`;
    return new ImageError("WL_IMAGE_RUNTIME_UNAVAILABLE", message, { next });
  };
  const { program, title } = tool;
  const found = findTool(tool);
  if (found === undefined) throw unavailable(`this host has no ${program} (${title})`, install);
  const hostPath = realpathSync(found);
  const whole = "Install it again, with its install scripts (npm asks for them)";
  await using file = await withIoError("read", hostPath, open(hostPath));
  const { buffer } = await file.read(Buffer.alloc(2), 0);
  if (buffer.toString("latin1") === "#!") {
    throw unavailable(`${hostPath} is a script that starts ${title}, not ${title} itself`, whole);
  }
  try {
    const text = await runTool(hostPath, ["--version"], { cwd: root, signal });
    return { hostPath, version: versionOf(text) };
  } catch (error) {
    if (!(error instanceof ToolFailure)) throw error;
    const [words] = error.words.trim().split("\n");
    throw unavailable(words === "" ? error.message : `${error.message}: ${words}`, whole);
  }
}

/** "deno 2.1.0 (stable, ...)" or "1.1.4". */
function versionOf(text: string): string {
  return /\d+\.\d+\.\d+[^\s,]*/.exec(text)?.[0] ?? "";
}

/**
 * The words after `program` of a command line, such as a start script's.
 *
 * @returns undefined when it starts another program
 * @throws {ImageError} WL_IMAGE_PROJECT_INVALID when it needs a shell
 */
export function wordsAfter(
  program: string,
  line: string,
  where: { readonly file: string; readonly key: string },
): readonly string[] | undefined {
  let all: string[];
  try {
    all = splitCommandLine(line);
  } catch (error) {
    if (!(error instanceof CommandLineError)) throw error;
    const message = `${where.key} of ${where.file} cannot be run without a shell: ${error.message}`;
    throw new ImageError("WL_IMAGE_PROJECT_INVALID", message, {
      file: where.file,
      next: 'Say what to run with "command" in windlass.yaml',
    });
  }
  const [first, ...rest] = all;
  return first === program ? rest : undefined;
}

/** @throws {ImageError} WL_IMAGE_PROJECT_INVALID always: nothing says what to run */
export function nothingToRun(root: string, tried: readonly string[]): never {
  const message = `No entry point in ${root}. Tried ${tried.join(", ")}`;
  throw new ImageError("WL_IMAGE_PROJECT_INVALID", message, {
    next: 'Set "entry" or "command" in windlass.yaml',
  });
}
