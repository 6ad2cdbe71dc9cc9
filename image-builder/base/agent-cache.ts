/**
 * V8's code cache of the agent's bundle, made by the very Node that the guest runs, so that an emulated
 * CPU need not compile it: loading takes a third of the time.
 *
 * The same image must have the same bytes, but V8 hashes strings with a random seed, which shows in the
 * order of things in the cache, and works with several threads. So it is made under a fixed seed and on one
 * thread. V8 accepts a cache only under the flags it was made with, which it compares as one word of the
 * cache's header; and the agent runs without flags, because under any flag Node compiles its own library
 * anew, a tenth of its start. The word is therefore replaced by that of a process without flags, and V8 is
 * asked whether it accepts the result. The seed itself is no part of that contract: any two processes have
 * different ones.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { ImageError } from "../errors.ts";

/**
 * One seed, and one thread: V8's helper threads (garbage collection, compilation) leave other bytes behind
 * when they happen to be late; Node 26 did so in one run of five.
 */
const DETERMINISTIC_FLAGS = ["--hash-seed=1", "--single-threaded"];
const TIMEOUT_MS = 30_000;

/** Loads the bundle, so that the functions of its start are in the cache, and writes the cache. */
const RECORDER = `
const { readFileSync, writeFileSync } = require("node:fs");
const { Script } = require("node:vm");
const [, , bundlePath, filename, target] = process.argv;
const source = "(function (exports, require, module) {" + readFileSync(bundlePath, "latin1") + "\\n})";
const script = new Script(source, { filename });
const bundle = { exports: {} };
script.runInThisContext()(bundle.exports, require, bundle);
writeFileSync(target, script.createCachedData());
`;

/**
 * Puts this process's flag word (the fourth of the header: V8's snapshot/code-serializer.h,
 * SerializedCodeData) into the cache and writes it back; leaves an empty file when V8 then refuses it.
 */
const ADOPTER = `
const { readFileSync, writeFileSync } = require("node:fs");
const { Script } = require("node:vm");
const [, , bundlePath, filename, target] = process.argv;
const FLAG_WORD_OFFSET = 12;
const cachedData = readFileSync(target);
new Script("0").createCachedData().copy(cachedData, FLAG_WORD_OFFSET, FLAG_WORD_OFFSET, FLAG_WORD_OFFSET + 4);
const source = "(function (exports, require, module) {" + readFileSync(bundlePath, "latin1") + "\\n})";
const { cachedDataRejected } = new Script(source, { filename, cachedData });
writeFileSync(target, cachedDataRejected ? "" : cachedData);
`;

export interface AgentCacheOptions {
  readonly bundle: Uint8Array;
  /** The bundle's path in the guest, which V8 keeps in the cache. */
  readonly guestPath: string;
  readonly nodePath: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * @returns the cache; empty when this Node accepts none that was made like this, so that the agent
 *   compiles its bundle at every start
 * @throws {ImageError} WL_IMAGE_RUNTIME_UNAVAILABLE when that Node does not run here
 */
export async function agentCodeCache(options: AgentCacheOptions): Promise<Buffer> {
  const { bundle, guestPath, nodePath, signal } = options;
  const folder = await mkdtemp(join(tmpdir(), "windlass-cache-"));
  const file = (name: string): string => join(folder, name);
  const run = promisify(execFile);
  // No NODE_OPTIONS of the user's: they would change what V8 makes.
  const limits = {
    env: { PATH: process.env["PATH"] ?? "" },
    timeout: TIMEOUT_MS,
    ...(signal ? { signal } : {}),
  };
  try {
    await writeFile(file("recorder.cjs"), RECORDER);
    await writeFile(file("adopter.cjs"), ADOPTER);
    await writeFile(file("agent.js"), bundle);
    const args = [file("agent.js"), guestPath, file("cache")];
    await run(nodePath, [...DETERMINISTIC_FLAGS, file("recorder.cjs"), ...args], limits);
    await run(nodePath, [file("adopter.cjs"), ...args], limits);
    return await readFile(file("cache"));
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
