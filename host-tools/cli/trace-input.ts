/** Traces as commands take them: files of any format, and workloads that are made: "workload:larson". */
import { type FileHandle, open } from "node:fs/promises";
import { basename } from "node:path";
import { noLosses, type ReadTrace } from "../../allocator-model/address-trace.ts";
import { readTrace } from "../../allocator-model/trace-reader.ts";
import { workloads } from "../../allocator-model/workloads/workloads.ts";
import { HostError } from "../errors.ts";
import { bytesText } from "./quantity-text.ts";

/** A text is a string, and strings have a limit of 512 MiB. */
const FILE_BYTES_MAX = 2 ** 28;
const CHUNK_BYTES = 2 ** 20;
const WORKLOAD = "workload:";

/**
 * @param operand a path, or WORKLOAD and a name
 * @throws {HostError} WL_USAGE for an unknown workload or a file that is too large, WL_HOST_IO for one that
 *   cannot be read; {AllocatorError} WL_ALLOC_TRACE
 */
export async function readTraceInput(operand: string): Promise<ReadTrace> {
  if (operand.startsWith(WORKLOAD)) return readWorkload(operand.slice(WORKLOAD.length));
  const bytes = await readTraceFile(operand).catch((cause: unknown) => {
    throw cause instanceof HostError ? cause : unreadable(operand, cause);
  });
  return readTrace(bytes, basename(operand));
}

async function readTraceFile(path: string): Promise<Buffer> {
  await using file = await open(path);
  const { size } = await file.stat();
  if (size > FILE_BYTES_MAX) throw tooLarge(path, `${bytesText(size)}, `);
  const bytes = await readAtMost(file, FILE_BYTES_MAX);
  if (bytes === undefined) throw tooLarge(path);
  return bytes;
}

/** Pipes and devices do not say how much comes. @returns undefined for more than `bytesMax` */
async function readAtMost(file: FileHandle, bytesMax: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let used = 0;
  for (let left = bytesMax + 1; left > 0; ) {
    if (used === chunk.length) {
      chunks.push(chunk);
      chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      used = 0;
    }
    const { bytesRead } = await file.read(chunk, used, Math.min(chunk.length - used, left), null);
    if (bytesRead === 0) return Buffer.concat([...chunks, chunk.subarray(0, used)]);
    used += bytesRead;
    left -= bytesRead;
  }
  return undefined;
}

function tooLarge(path: string, size = ""): HostError {
  const text = `"${path}" has ${size}more than ${bytesText(FILE_BYTES_MAX)}`;
  const next = "Give a part of it, for example its first lines";
  return new HostError("WL_USAGE", text, { next });
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "it is not there",
  EISDIR: "it is a folder",
};

function unreadable(path: string, cause: unknown): HostError {
  const { code = "", message } = cause as NodeJS.ErrnoException;
  const text = `Cannot read "${path}": ${reasons[code] ?? message}`;
  const next = 'Give the path of a trace, or a workload of "windlass alloc compare --list"';
  return new HostError("WL_HOST_IO", text, { next }, cause);
}

function readWorkload(name: string): ReadTrace {
  const workload = workloads[name];
  if (workload && Object.hasOwn(workloads, name)) {
    return { trace: workload.make(), losses: noLosses };
  }
  throw new HostError("WL_USAGE", `There is no workload "${name}"`, {
    next: 'See "windlass alloc compare --list"',
  });
}
