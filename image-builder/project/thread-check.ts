/**
 * Whether a Node program can run as a thread of the agent (`isolation: thread`). What it cannot do is an error
 * here where that is certain, and a warning where its sources or addons only look like it.
 */
import { open } from "node:fs/promises";
import { threadCommand } from "../../guest/api/thread-program.ts";
import { ImageError } from "../errors.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { withIoError } from "../runtimes/io-error.ts";
import { APP_PATH, NODE_PATH } from "./guest-paths.ts";
import type { Project } from "./project.ts";

/** Of a file; what comes later is not looked at. */
const SOURCE_BYTES_MAX = 256 * 1024;
/** Of all files together. */
const SOURCES_BYTES_MAX = 8 * 1024 * 1024;
const ADDON_BYTES_MAX = 32 * 1024 * 1024;

/** Names of functions that throw in a worker (worker_threads of Node's documentation), or do another thing there. */
const SOURCE_SIGNS: readonly (readonly [RegExp, string])[] = [
  [/\bprocess\.chdir\s*\(/, "process.chdir, which throws in a thread"],
  [
    /\bprocess\.(?:set(?:e?[ug]id|groups)|initgroups)\s*\(/,
    "process.setuid and the like, which throw in a thread",
  ],
  [/\bcluster\.(?:fork|setupPrimary|setupMaster)\s*\(/, "cluster, whose workers are processes"],
];
/** An addon that says neither is for the first thread only (Node's documentation, "Context-aware addons"). */
const THREAD_SAFE_ADDON = /napi_register_module_v|napi_module_register|node_register_module_v/;
const ROOT = /^(0|root)(:(0|root))?$/;

/**
 * Of what the manifest alone says.
 *
 * @throws {ImageError} WL_IMAGE_MANIFEST_INVALID when it asks for what a thread cannot have
 */
export function refuseThread({ source, isolation, runtime, user, template }: Manifest): void {
  if (isolation !== "thread") return;
  if (runtime !== "node") throw refused(source, "only a Node program can be a thread");
  if (!ROOT.test(user)) throw refused(source, `a thread has the agent's user, root, not "${user}"`);
  if (template) throw refused(source, "a thread cannot be cloned, so it has no templates");
}

/**
 * Of what the image would have.
 *
 * @returns warnings
 * @throws {ImageError} WL_IMAGE_MANIFEST_INVALID when its command is none that a thread can run
 */
export async function checkThread(
  { source, isolation }: Pick<Manifest, "source" | "isolation">,
  project: Pick<Project, "argv" | "entries" | "nativeAddons">,
): Promise<string[]> {
  if (isolation !== "thread") return [];
  if (project.argv[0] !== NODE_PATH) throw refused(source, "only a Node program can be a thread");
  try {
    threadCommand(project.argv);
  } catch (error) {
    throw refused(source, (error as RangeError).message);
  }
  return [...(await sourceWarnings(project)), ...(await addonWarnings(project))];
}

function refused(file: string, why: string): ImageError {
  return new ImageError("WL_IMAGE_MANIFEST_INVALID", `"isolation: thread" in ${file}: ${why}`, {
    file,
    next: 'Use "isolation: process", which is the default',
  });
}

async function sourceWarnings({ entries }: Pick<Project, "entries">): Promise<string[]> {
  const found = new Map<string, string[]>();
  let leftBytes = SOURCES_BYTES_MAX;
  for (const entry of entries) {
    if (entry.kind !== "file" || !/\.[cm]?js$/.test(entry.path)) continue;
    const name = entry.path.slice(APP_PATH.length + 1);
    if (!entry.path.startsWith(`${APP_PATH}/`) || name.includes("node_modules/")) continue;
    if (leftBytes <= 0) break;
    const { source } = entry;
    if (source.kind === "range") continue;
    const text =
      source.kind === "path"
        ? await readStart(source.path, SOURCE_BYTES_MAX)
        : Buffer.from(source.bytes).toString("latin1", 0, SOURCE_BYTES_MAX);
    leftBytes -= text.length;
    for (const [sign, what] of SOURCE_SIGNS) {
      if (sign.test(text)) found.set(what, [...(found.get(what) ?? []), name]);
    }
  }
  return [...found].map(([what, names]) => `${names.join(", ")} uses ${what}`);
}

async function addonWarnings({ nativeAddons }: Pick<Project, "nativeAddons">): Promise<string[]> {
  const warnings: string[] = [];
  for (const { hostPath, guestPath } of nativeAddons) {
    if (THREAD_SAFE_ADDON.test(await readStart(hostPath, ADDON_BYTES_MAX))) continue;
    warnings.push(`${guestPath} is not context-aware: a thread cannot load it`);
  }
  return warnings;
}

async function readStart(path: string, bytesMax: number): Promise<string> {
  await using file = await withIoError("read", path, open(path));
  const { size } = await file.stat();
  const { bytesRead, buffer } = await file.read(Buffer.alloc(Math.min(size, bytesMax)), 0);
  return buffer.toString("latin1", 0, bytesRead);
}
