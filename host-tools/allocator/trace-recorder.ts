/**
 * Records what a program of this host asks of its allocator: with a small library, compiled for the occasion,
 * that stands before the allocator (LD_PRELOAD; allocation-shim.ts). One process is recorded: the one that is
 * started, and what it becomes (execve); not its children.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { type FileHandle, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { ReadTrace } from "../../allocator-model/address-trace.ts";
import { HostError } from "../errors.ts";
import {
  SHIM_FILE_VARIABLE,
  SHIM_HEADER_BYTES,
  SHIM_RECORD_BYTES,
  shimSource,
} from "./allocation-shim.ts";
import { compileC } from "./c-compiler.ts";
import { ShimRecords } from "./shim-records.ts";

const COMPILER_FLAGS = ["-fPIC", "-shared", "-fvisibility=hidden", "-fno-builtin"];
/** A realloc has two records. */
const RECORDS_PER_OPERATION = 2;
/** Its place on the disk is taken before the rest of the file's. */
const PAGE_BYTES = 4096;
const CHUNK_BYTES = 2 ** 15 * SHIM_RECORD_BYTES;

export interface RecordOptions {
  /** Operations after so many are left out; 1 to TRACE_OPERATIONS_MAX. The program goes on without them. */
  readonly operationsMax: number;
  /** Of the program. Default: this process's. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
  /** Default "inherit". */
  readonly output?: "inherit" | "ignore" | undefined;
  /** Asks the program to end (SIGTERM); what was recorded until then is the trace. */
  readonly signal?: AbortSignal | undefined;
  /** Ends it (SIGKILL). */
  readonly urgent?: AbortSignal | undefined;
}

export interface Recording extends ReadTrace {
  /** Whether it asked for more than `operationsMax`. */
  readonly isCut: boolean;
  /** The program's exit status, as shells have it: 143 when SIGTERM ended it. */
  readonly status: number;
}

/**
 * Runs a program to its end.
 *
 * @param argv the program and its arguments
 * @throws {HostError} WL_COMPILER_UNAVAILABLE; WL_RECORD_FAILED when the program cannot be started, or nothing
 *   was recorded; WL_HOST_IO when the disk has no room
 */
export async function recordProgram(
  argv: readonly string[],
  options: RecordOptions,
): Promise<Recording> {
  const [program = ""] = argv;
  const folder = await mkdtemp(join(tmpdir(), "windlass-record-"));
  try {
    const library = await compileShim(folder, options.signal);
    const path = join(folder, "records");
    await writeFile(path, new Uint8Array(PAGE_BYTES));
    await using file = await open(path, "r+");
    const records = options.operationsMax * RECORDS_PER_OPERATION;
    await file.truncate(SHIM_HEADER_BYTES + records * SHIM_RECORD_BYTES);
    const status = await runProgram(argv, options, { library, path });
    const { trace, isCut } = await readRecords(file, program, options.operationsMax);
    return { ...trace, isCut, status };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function compileShim(folder: string, signal: AbortSignal | undefined): Promise<string> {
  if (/[ :]/.test(folder)) {
    // ld.so(8): they separate the libraries in LD_PRELOAD.
    throw failed(`"${folder}" has a space or a colon`, "Set TMPDIR to a folder without them");
  }
  const library = join(folder, "shim.so");
  const subject = "the library that records";
  await compileC({ subject, text: shimSource, flags: COMPILER_FLAGS }, library, { signal });
  return library;
}

async function runProgram(
  argv: readonly string[],
  { environment = process.env, output = "inherit", signal, urgent }: RecordOptions,
  { library, path }: { readonly library: string; readonly path: string },
): Promise<number> {
  const [program = "", ...args] = argv;
  const preload = environment["LD_PRELOAD"];
  const child = spawn(program, args, {
    stdio: output,
    env: {
      ...environment,
      LD_PRELOAD: preload ? `${library}:${preload}` : library,
      [SHIM_FILE_VARIABLE]: path,
    },
  });
  const ask = (): void => void child.kill("SIGTERM");
  const end = (): void => void child.kill("SIGKILL");
  try {
    signal?.addEventListener("abort", ask, { once: true });
    urgent?.addEventListener("abort", end, { once: true });
    if (signal?.aborted) ask();
    return await exitStatus(child, program);
  } finally {
    signal?.removeEventListener("abort", ask);
    urgent?.removeEventListener("abort", end);
  }
}

async function exitStatus(child: ChildProcess, program: string): Promise<number> {
  return await new Promise((resolve, reject) => {
    child.once("error", (cause: NodeJS.ErrnoException) => {
      const why = cause.code === "ENOENT" ? "it is not there" : cause.message;
      const next = "Give a program's path, or its name when it is in a folder of PATH";
      reject(failed(`"${program}" cannot be started: ${why}`, next, cause));
    });
    child.once("exit", (status, by) => resolve(by ? 128 + constants.signals[by] : (status ?? 1)));
  });
}

async function readRecords(
  file: FileHandle,
  program: string,
  operationsMax: number,
): Promise<{ trace: ReadTrace; isCut: boolean }> {
  const header = Buffer.alloc(SHIM_HEADER_BYTES);
  await file.read(header, 0, header.length, 0);
  const isFull = header.readUInt32LE(16) !== 0;
  if (isFull) {
    throw new HostError("WL_HOST_IO", `"${tmpdir()}" has no room for the records`, {
      next: "Record fewer operations (--operations), or set TMPDIR to a folder with more room",
    });
  }
  const used = Number(header.readBigUInt64LE(0));
  const capacity = operationsMax * RECORDS_PER_OPERATION;
  const records = new ShimRecords(operationsMax);
  const end = SHIM_HEADER_BYTES + Math.min(used, capacity) * SHIM_RECORD_BYTES;
  const chunk = Buffer.alloc(CHUNK_BYTES);
  for (let at = SHIM_HEADER_BYTES; at < end; at += CHUNK_BYTES) {
    const length = Math.min(CHUNK_BYTES, end - at);
    await file.read(chunk, 0, length, at);
    records.take(chunk.subarray(0, length));
  }
  if (records.length === 0) {
    const next =
      "Give a program that is linked dynamically, without set-user-ID, in the foreground";
    throw failed(`"${program}" asked its allocator for nothing that could be seen`, next);
  }
  const isCut = records.hasMore || used > capacity;
  return { trace: records.build(basename(program)), isCut };
}

function failed(why: string, next: string, cause?: unknown): HostError {
  return new HostError("WL_RECORD_FAILED", `Cannot record a trace: ${why}`, { next }, cause);
}
