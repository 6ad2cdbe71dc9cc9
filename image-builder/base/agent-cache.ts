/**
 * V8's code cache of the agent's bundle, made by the very Node that the guest runs, so that an emulated
 * CPU need not compile it again. V8 refuses a cache made under other flags or by another version and
 * then compiles as usual, so a wrong one costs time, never correctness.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { ImageError } from "../errors.ts";

/**
 * Strings are hashed with a seed that is random by default and shows in the cache. A fixed one makes the
 * same cache every time, which reproducible images need. It concerns the agent alone, never the
 * program; what an unauthenticated client can put into one of the agent's hash tables are the headers of
 * one request, at most 16 KiB.
 */
export const AGENT_CACHE_FLAGS = ["--hash-seed=1"];

const TIMEOUT_MS = 30_000;

/** Loads the bundle, so that the functions of its start are in the cache, and writes the cache. */
const RECORDER = `
const { readFileSync, writeFileSync } = require("node:fs");
const { Script } = require("node:vm");
const [, , bundlePath, filename, target] = process.argv;
const source = "(function (exports, require, module) {" + readFileSync(bundlePath, "latin1") + "\\n})";
const script = new Script(source, { filename });
const module_ = { exports: {} };
script.runInThisContext()(module_.exports, require, module_);
writeFileSync(target, script.createCachedData());
`;

export interface AgentCacheOptions {
  readonly bundle: Uint8Array;
  /** The bundle's path in the guest, which V8 keeps in the cache. */
  readonly guestPath: string;
  readonly nodePath: string;
  readonly signal?: AbortSignal | undefined;
}

/** @throws {ImageError} WL_IMAGE_RUNTIME_UNAVAILABLE when that Node does not run here */
export async function agentCodeCache(options: AgentCacheOptions): Promise<Buffer> {
  const { bundle, guestPath, nodePath, signal } = options;
  const folder = await mkdtemp(join(tmpdir(), "windlass-cache-"));
  try {
    const paths = ["recorder.cjs", "agent.js", "agent.cache"].map((name) => join(folder, name));
    const [recorder = "", bundlePath = "", target = ""] = paths;
    await writeFile(recorder, RECORDER);
    await writeFile(bundlePath, bundle);
    const args = [...AGENT_CACHE_FLAGS, recorder, bundlePath, guestPath, target];
    // No NODE_OPTIONS of the user's: they would change what V8 makes.
    const environment = { PATH: process.env["PATH"] ?? "" };
    await promisify(execFile)(nodePath, args, {
      env: environment,
      timeout: TIMEOUT_MS,
      ...(signal ? { signal } : {}),
    });
    return await readFile(target);
  } catch (cause) {
    signal?.throwIfAborted();
    throw new ImageError(
      "WL_IMAGE_RUNTIME_UNAVAILABLE",
      `Cannot run "${nodePath}" to prepare the agent: ${(cause as Error).message}`,
      { file: nodePath, next: "Choose another Node version with the key runtime" },
      cause,
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
