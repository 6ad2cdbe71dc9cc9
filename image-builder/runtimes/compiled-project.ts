/** What Go, Rust and C have in common: of the project, an image has one executable and what is asked for. */
import { createHash } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { basename, isAbsolute, join, posix } from "node:path";
import { ImageError } from "../errors.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { APP_PATH } from "../project/guest-paths.ts";
import { type IgnoreRule, ignoreVerdict, parseIgnoreRule } from "../project/ignore-rules.ts";
import { type FolderContent, folderContent } from "../project/project-folder.ts";
import { TreeWalk } from "../project/tree-walk.ts";
import { classifyBinary } from "./binary-kind.ts";
import { executableEntry } from "./closure-entries.ts";
import { fileDigest } from "./file-digest.ts";
import {
  commandOf,
  type RuntimeName,
  type RuntimeProject,
  type RuntimeRequest,
} from "./runtime.ts";

export interface CompiledProgram {
  readonly runtime: { readonly name: RuntimeName; readonly version: string };
  readonly detail: string;
  /** The executable on this host. */
  readonly hostPath: string;
  /** Name in the guest, below /app, unless the manifest's command says another. */
  readonly name: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly warnings?: readonly string[];
}

/** Folders of sources and of what was made of them, which nobody means with `files.include`. */
const NEVER_ENTERED = [".git", "node_modules", "target"];

/** @throws {ImageError} WL_IMAGE_BINARY_INVALID when it is no executable for the guest */
export async function compiledProject(
  request: RuntimeRequest,
  program: CompiledProgram,
): Promise<RuntimeProject> {
  const { manifest, cacheDirectory, signal } = request;
  const { hostPath } = program;
  const guestPath = guestPathOf(manifest, program.name);
  const [command, ...args] = commandOf(manifest.program) ?? [guestPath];
  const runsAnother = command !== undefined && isOutside(command);
  const content = await askedContent(request);
  const memoDirectory = join(cacheDirectory, "digests");
  const digest = await fileDigest(hostPath, { memoDirectory, ...(signal && { signal }) });
  return {
    entries: [...content.entries, await executableEntry(hostPath, guestPath)],
    argv: [runsAnother ? command : guestPath, ...args, ...manifest.args],
    nativeAddons: [{ hostPath, guestPath }],
    dependencies: [],
    fingerprint: createHash("sha256").update(`${content.fingerprint} ${digest}`).digest("hex"),
    warnings: [...manifest.warnings, ...(program.warnings ?? [])],
    runtime: program.runtime,
    detail: program.detail,
    env: program.env ?? {},
  };
}

/** The name that the manifest's command has for the program: "./bin/shop" is "bin/shop". */
export function commandName(manifest: Manifest): string | undefined {
  const [command] = commandOf(manifest.program) ?? [];
  if (command === undefined || isOutside(command)) return undefined;
  return posix.relative(APP_PATH, posix.resolve(APP_PATH, command));
}

function guestPathOf(manifest: Manifest, name: string): string {
  return posix.join(APP_PATH, commandName(manifest) ?? name);
}

function isOutside(command: string): boolean {
  return isAbsolute(command) && !command.startsWith(`${APP_PATH}/`);
}

/** Nothing of the folder but what the manifest names: `files.include`, `include`, and a Capstanfile's. */
export async function askedContent(request: RuntimeRequest): Promise<FolderContent> {
  const { root, manifest, signal } = request;
  const content = await folderContent({ root, manifest, isEmpty: true, signal });
  const rules = manifest.files.include.flatMap((pattern) => parseIgnoreRule(pattern) ?? []);
  if (rules.length === 0 || manifest.placed) return content;
  const excluded = manifest.files.exclude.flatMap((pattern) => parseIgnoreRule(pattern) ?? []);
  const walk = new TreeWalk(root, signal);
  const whole = new Set<string>();
  await walk.walk({
    hostFolder: root,
    guestFolder: APP_PATH,
    decide(path, isDirectory) {
      if (isDirectory && NEVER_ENTERED.includes(basename(path))) return "skip";
      if (matches(excluded, path, isDirectory)) return "skip";
      const isNamed = whole.has(posix.dirname(path)) || matches(rules, path, isDirectory);
      if (isDirectory && isNamed) whole.add(path);
      if (isNamed) return "take";
      return isDirectory ? "enter" : "skip";
    },
  });
  const fingerprint = createHash("sha256")
    .update(content.fingerprint)
    .update(walk.lines.join("\n"));
  return {
    entries: [...content.entries, ...walk.entries],
    fingerprint: fingerprint.digest("hex"),
  };
}

function matches(rules: readonly IgnoreRule[], path: string, isDirectory: boolean): boolean {
  return ignoreVerdict(rules, path, isDirectory) === "ignored";
}

/** A folder of the cache that belongs to one project and one runtime. */
export function projectCache({ cacheDirectory, root }: RuntimeRequest, runtime: string): string {
  const key = createHash("sha256").update(root).digest("hex").slice(0, 16);
  return join(cacheDirectory, runtime, key);
}

/** A project has some thousand files; a walk that finds more than this is somewhere else. */
const NAMES_MAX = 200_000;

/**
 * The newest file that a program is made from, undefined when there is none.
 *
 * @param isSource told every file's path, relative to the folder
 * @param leftOut names of folders that are not entered, beside hidden ones
 */
export function newestSource(
  folder: string,
  isSource: (path: string) => boolean,
  leftOut: readonly string[] = [],
): { path: string; changedMs: number } | undefined {
  let newest: { path: string; changedMs: number } | undefined;
  const pending = [""];
  let names = 0;
  for (let inner = pending.pop(); inner !== undefined; inner = pending.pop()) {
    for (const item of readdirSync(join(folder, inner), { withFileTypes: true })) {
      names += 1;
      if (names > NAMES_MAX) return newest;
      const path = posix.join(inner, item.name);
      if (item.isDirectory()) {
        if (!item.name.startsWith(".") && !leftOut.includes(item.name)) pending.push(path);
      } else if (item.isFile() && isSource(path)) {
        const { mtimeMs } = statSync(join(folder, path));
        if (mtimeMs > (newest?.changedMs ?? -1)) newest = { path, changedMs: mtimeMs };
      }
    }
  }
  return newest;
}

export interface BuiltProgramRequest {
  readonly root: string;
  /** Places where the project's own tools leave the program, relative to the folder. */
  readonly places: readonly string[];
  readonly isSource: (path: string) => boolean;
  readonly leftOut?: readonly string[];
  /** Why it is not built now: the toolchain that is missing. */
  readonly because: ImageError;
}

/**
 * The program that the author has built already.
 *
 * @throws `because` when there is none; the same with other words when it is older than its sources
 */
export async function builtProgram(request: BuiltProgramRequest): Promise<string> {
  const { root, places, isSource, leftOut, because } = request;
  for (const place of places) {
    const path = join(root, place);
    const facts = statSync(path, { throwIfNoEntry: false });
    if (!facts?.isFile() || (await classifyBinary(path)) !== "elf-executable") continue;
    const newest = newestSource(root, isSource, leftOut);
    if (newest && newest.changedMs > facts.mtimeMs) {
      const message = `${because.message}, and ${place} is older than ${newest.path}`;
      throw new ImageError(because.code, message, because.facts);
    }
    return path;
  }
  throw because;
}
