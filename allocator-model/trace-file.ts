/**
 * The file of a trace, ".wlat". What is read may come from anywhere: everything is checked before it is used,
 * and the header's count bounds the memory that reading takes.
 *
 * | offset | bytes | meaning |
 * |---|---|---|
 * | 0 | 4 | "WLAT" |
 * | 4 | 2 | version, 1 |
 * | 6 | 2 | CPUs, 1 to 256 |
 * | 8 | 4 | operations |
 * | 12 | 4 | 0 |
 * | 16 | | 12 bytes an operation, deflated (RFC 1950) |
 *
 * An operation: its number, its CPU, log2 of the alignment, 0 (a byte each), id, size (4 bytes each). All
 * numbers are little-endian.
 */
import { constants, deflateSync, inflateSync } from "node:zlib";
import { AllocatorError } from "./allocator-error.ts";
import { CALLOC, FREE, MALLOC, REALLOC, type Trace } from "./trace.ts";

const MAGIC = "WLAT";
const VERSION = 1;
const HEADER_BYTES = 16;
export const TRACE_RECORD_BYTES = 12;
/** Numbers of CPUs are bytes. */
const CPUS_MAX = 256;
/** 192 MiB of records. */
export const TRACE_OPERATIONS_MAX = 2 ** 24;
/** Deflate makes of a byte at most so many (RFC 1951: 258 bytes of 2 bits). */
const DEFLATE_RATIO_MAX = 1032;
const ALIGNMENT_LOG2_MAX = 31;

/**
 * A trace as a file.
 *
 * @throws {AllocatorError} WL_ALLOC_TRACE when no program can have made it, or it is too long
 */
export function encodeTrace(trace: Trace): Uint8Array {
  if (trace.length > TRACE_OPERATIONS_MAX) {
    throw unreadable(trace.name, `it has more than ${TRACE_OPERATIONS_MAX} operations`);
  }
  const records = traceRecords(trace);
  checkRecords(trace.name, { records, cpus: trace.cpus, length: trace.length });
  const content = deflateSync(records, { level: constants.Z_BEST_COMPRESSION, memLevel: 9 });
  const bytes = new Uint8Array(HEADER_BYTES + content.length);
  const header = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(MAGIC));
  header.setUint16(4, VERSION, true);
  header.setUint16(6, trace.cpus, true);
  header.setUint32(8, trace.length, true);
  bytes.set(content, HEADER_BYTES);
  return bytes;
}

/**
 * The operations as they are in the file before they are deflated: for programs that replay them.
 *
 * @returns TRACE_RECORD_BYTES an operation
 */
export function traceRecords(trace: Trace): Uint8Array {
  const bytes = new Uint8Array(trace.length * TRACE_RECORD_BYTES);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < trace.length; index += 1) {
    const at = index * TRACE_RECORD_BYTES;
    bytes[at] = trace.operations[index] ?? 0;
    bytes[at + 1] = trace.cpuOf[index] ?? 0;
    bytes[at + 2] = trace.alignmentLog2[index] ?? 0;
    view.setUint32(at + 4, trace.ids[index] ?? 0, true);
    view.setUint32(at + 8, trace.sizes[index] ?? 0, true);
  }
  return bytes;
}

/** Whether bytes begin as the file of a trace does. */
export function isTraceFile(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(0, MAGIC.length)).toString("latin1") === MAGIC;
}

/**
 * The trace in a file.
 *
 * @param name the trace's, and of the file in errors
 * @throws {AllocatorError} WL_ALLOC_TRACE
 */
export function decodeTrace(bytes: Uint8Array, name: string): Trace {
  const { cpus, length } = readHeader(bytes, name);
  const records = inflate(bytes.subarray(HEADER_BYTES), length * TRACE_RECORD_BYTES, name);
  checkRecords(name, { records, cpus, length });
  const trace = {
    name,
    cpus,
    length,
    operations: new Uint8Array(length),
    cpuOf: new Uint8Array(length),
    alignmentLog2: new Uint8Array(length),
    ids: new Uint32Array(length),
    sizes: new Uint32Array(length),
  };
  const view = viewOf(records);
  for (let index = 0; index < length; index += 1) {
    const at = index * TRACE_RECORD_BYTES;
    trace.operations[index] = records[at] ?? 0;
    trace.cpuOf[index] = records[at + 1] ?? 0;
    trace.alignmentLog2[index] = records[at + 2] ?? 0;
    trace.ids[index] = view.getUint32(at + 4, true);
    trace.sizes[index] = view.getUint32(at + 8, true);
  }
  return trace;
}

function readHeader(bytes: Uint8Array, name: string): { cpus: number; length: number } {
  if (!isTraceFile(bytes)) throw unreadable(name, `it does not begin with "${MAGIC}"`);
  if (bytes.length < HEADER_BYTES) throw unreadable(name, "it ends in its header");
  const header = viewOf(bytes);
  const version = header.getUint16(4, true);
  if (version !== VERSION) throw unreadable(name, `its version is ${version}, not ${VERSION}`);
  const cpus = header.getUint16(6, true);
  const length = header.getUint32(8, true);
  if (length > TRACE_OPERATIONS_MAX) {
    throw unreadable(name, `it has ${length} operations, more than ${TRACE_OPERATIONS_MAX}`);
  }
  if (length * TRACE_RECORD_BYTES > (bytes.length - HEADER_BYTES) * DEFLATE_RATIO_MAX) {
    throw unreadable(name, `${bytes.length} bytes cannot hold ${length} operations`);
  }
  if (header.getUint32(12, true) !== 0) throw unreadable(name, "its header is damaged");
  return { cpus, length };
}

function inflate(content: Uint8Array, expected: number, name: string): Uint8Array {
  // A byte more, to see that there is more.
  const maxOutputLength = expected + 1;
  let records: Uint8Array;
  let used: number;
  try {
    // With `info`, there is also the engine, which counts the bytes it took; the types do not know it.
    const result = inflateSync(content, { maxOutputLength, info: true } as object);
    const { buffer, engine } = result as unknown as {
      buffer: Uint8Array;
      engine: { bytesWritten: number };
    };
    records = buffer;
    used = engine.bytesWritten;
  } catch (error) {
    const isLonger = (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
    throw unreadable(name, isLonger ? "it has more operations than it says" : "it is damaged");
  }
  if (records.length !== expected) {
    const operations = records.length / TRACE_RECORD_BYTES;
    const relation = records.length > expected ? "more" : "fewer";
    throw unreadable(name, `it has ${relation} operations than it says: ${operations}`);
  }
  if (used !== content.length) throw unreadable(name, "something follows its operations");
  return records;
}

interface Records {
  readonly records: Uint8Array;
  readonly cpus: number;
  readonly length: number;
}

/** Every operation is one that a program can have asked for at that place. */
function checkRecords(name: string, { records, cpus, length }: Records): void {
  if (cpus < 1 || cpus > CPUS_MAX) {
    throw unreadable(name, `it has ${cpus} CPUs; there are 1 to ${CPUS_MAX}`);
  }
  const isAlive = new Uint8Array(length);
  const view = viewOf(records);
  for (let index = 0; index < length; index += 1) {
    const at = index * TRACE_RECORD_BYTES;
    const id = view.getUint32(at + 4, true);
    const problem =
      fieldProblem(records.subarray(at, at + TRACE_RECORD_BYTES), { cpus, id, length }) ??
      lifeProblem(records[at] ?? 0, isAlive[id] === 1);
    if (problem !== undefined) throw unreadable(name, `operation ${index} ${problem}`);
    isAlive[id] = records[at] === FREE ? 0 : 1;
  }
}

function fieldProblem(
  record: Uint8Array,
  { cpus, id, length }: { readonly cpus: number; readonly id: number; readonly length: number },
): string | undefined {
  const [operation = 0, cpu = 0, alignmentLog2 = 0, zero] = record;
  if (operation < MALLOC || operation > CALLOC) return `is of no known kind: ${operation}`;
  if (cpu >= cpus) return `is on CPU ${cpu}; there are ${cpus}`;
  if (alignmentLog2 > (operation === MALLOC ? ALIGNMENT_LOG2_MAX : 0) || zero !== 0) {
    return "is damaged";
  }
  if (id >= length) return `has the id ${id}; ids are below the number of operations`;
  if (operation === FREE && record.subarray(8).some((byte) => byte !== 0)) {
    return "frees, and has a size";
  }
  if (operation === REALLOC && record.subarray(8).every((byte) => byte === 0)) {
    return "reallocates, and has no size";
  }
  return undefined;
}

function lifeProblem(operation: number, isAlive: boolean): string | undefined {
  const needsObject = operation === FREE || operation === REALLOC;
  if (needsObject === isAlive) return undefined;
  return needsObject ? "is about an object that is not there" : "makes an object that is there";
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

function unreadable(name: string, why: string): AllocatorError {
  return new AllocatorError("WL_ALLOC_TRACE", `"${name}" is no trace: ${why}`, {
    next: "Record it again, or take it from where it came once more",
  });
}
