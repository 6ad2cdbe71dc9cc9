/** The replayer (native-replayer-source.ts) as a program: compiled, run with one allocator, removed. */
import { execFile } from "node:child_process";
import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Trace } from "../../allocator-model/trace.ts";
import { traceFacts } from "../../allocator-model/trace-facts.ts";
import { traceRecords } from "../../allocator-model/trace-file.ts";
import { HostError } from "../errors.ts";
import { compileC } from "./c-compiler.ts";
import { NATIVE_REPLAYER_SOURCE } from "./native-replayer-source.ts";

const run = promisify(execFile);

/** How often the footprint is measured; once more where most bytes are alive. Each takes a millisecond or so. */
const SAMPLES = 256;
/** Its exit status when the allocator gave no memory. */
const NO_MEMORY_STATUS = 3;

/** Of one run; all but the end where the footprint was largest. */
export interface NativeFigures {
  readonly peakBytes: number;
  /** Bytes that the trace's objects asked for. */
  readonly requestedAtPeakBytes: number;
  /** Bytes that they may use: malloc_usable_size(3). */
  readonly usableAtPeakBytes: number;
  /** Footprint after the last operation. */
  readonly endBytes: number;
  readonly elapsedMs: number;
}

export interface NativeReplayOptions {
  /** Path of the shared library whose malloc(3) is used; default: the C library's. */
  readonly library?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Disposing of it removes the program. */
export interface NativeReplayer extends AsyncDisposable {
  /** @throws {HostError} WL_REPLAY_FAILED; or the signal's reason */
  replay(trace: Trace, options?: NativeReplayOptions): Promise<NativeFigures>;
}

/** @throws {HostError} WL_COMPILER_UNAVAILABLE; or the signal's reason */
export async function buildNativeReplayer(
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<NativeReplayer> {
  const folder = await mkdtemp(join(tmpdir(), "windlass-replayer-"));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const program = join(folder, "replayer");
  const source = { subject: "the replayer", text: NATIVE_REPLAYER_SOURCE, flags: ["-pthread"] };
  try {
    await compileC(source, program, options);
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    replay: (trace, replayOptions = {}) => replay(program, trace, replayOptions),
    [Symbol.asyncDispose]: remove,
  };
}

async function replay(
  program: string,
  trace: Trace,
  { library, signal }: NativeReplayOptions,
): Promise<NativeFigures> {
  const fail = (why: string, cause?: unknown): HostError => {
    const allocator = library ?? "the C library's malloc";
    const text = `Cannot replay "${trace.name}" with ${allocator}: ${why}`;
    return new HostError("WL_REPLAY_FAILED", text, {}, cause);
  };
  if (trace.length === 0) throw fail("it has no operations");
  const records = `${program}.records`;
  await writeFile(records, traceRecords(trace));
  const { ids, peakOperation } = traceFacts(trace);
  const step = Math.max(1, Math.ceil(trace.length / SAMPLES));
  const numbers = [ids, trace.cpus, peakOperation, step].map(String);
  // Nothing else of the environment: allocators are tuned by it.
  const env = { LC_ALL: "C", ...(library !== undefined && { LD_PRELOAD: library }) };
  const output = await run(program, [records, ...numbers], {
    env,
    ...(signal && { signal }),
  }).catch((cause) => {
    signal?.throwIfAborted();
    throw fail(whyOf(cause), cause);
  });
  const printed = JSON.parse(output.stdout);
  // The dynamic linker goes on without a library that it cannot load.
  if (library !== undefined && !(await isSameFile(printed.allocator, library))) {
    throw fail(output.stderr.trim() || `"${printed.allocator}" was used instead`);
  }
  const { peakBytes, requestedAtPeakBytes, usableAtPeakBytes, endBytes, elapsedNs } = printed;
  const elapsedMs = elapsedNs / 1e6;
  return { peakBytes, requestedAtPeakBytes, usableAtPeakBytes, endBytes, elapsedMs };
}

async function isSameFile(path: string, other: string): Promise<boolean> {
  const [real, otherReal] = await Promise.all(
    [path, other].map((one) => realpath(one).catch(() => undefined)),
  );
  return real !== undefined && real === otherReal;
}

function whyOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if ("code" in cause && cause.code === NO_MEMORY_STATUS) return "it gave no memory";
  if ("signal" in cause && cause.signal) return `it was ended by ${cause.signal}`;
  const words = "stderr" in cause ? String(cause.stderr).trim() : "";
  return words.split("\n", 1)[0] || cause.message;
}
