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
 * | 16 | | eleven columns, deflated (RFC 1950) |
 *
 * Columns of a byte an operation: what it is, its CPU, log2 of the alignment, the id's four bytes, the size's
 * four bytes. Numbers begin with their lowest byte. As columns they take a third less than one by one.
 */
import { constants, deflateSync, inflateSync } from "node:zlib";
import { AllocatorError } from "./allocator-error.ts";
import { CALLOC, FREE, MALLOC, REALLOC, type Trace } from "./trace.ts";

const MAGIC = "WLAT";
const VERSION = 1;
const HEADER_BYTES = 16;
const COLUMNS = 11;
/** Columns of the lowest bytes of ids and sizes. */
const ID_COLUMN = 3;
const SIZE_COLUMN = 7;
/** Numbers of CPUs are bytes. */
const CPUS_MAX = 256;
/** 176 MiB of columns. */
export const TRACE_OPERATIONS_MAX = 2 ** 24;
/** Deflate makes of a byte at most so many (RFC 1951: 258 bytes of 2 bits). */
const DEFLATE_RATIO_MAX = 1032;
const ALIGNMENT_LOG2_MAX = 31;
const RECORD_BYTES = 12;

/**
 * A trace as a file.
 *
 * @throws {AllocatorError} WL_ALLOC_TRACE when no program can have made it, or it is too long
 */
export function encodeTrace(trace: Trace): Uint8Array {
  const { name, cpus, length } = trace;
  if (length > TRACE_OPERATIONS_MAX) {
    throw unreadable(name, `it has more than ${TRACE_OPERATIONS_MAX} operations`);
  }
  checkTrace(trace);
  const columns = new Uint8Array(length * COLUMNS);
  columns.set(trace.operations);
  columns.set(trace.cpuOf, length);
  columns.set(trace.alignmentLog2, 2 * length);
  splitBytes(trace.ids, columns.subarray(ID_COLUMN * length));
  splitBytes(trace.sizes, columns.subarray(SIZE_COLUMN * length));
  const content = deflateSync(columns, { level: constants.Z_BEST_COMPRESSION, memLevel: 9 });
  const bytes = new Uint8Array(HEADER_BYTES + content.length);
  const header = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(MAGIC));
  header.setUint16(4, VERSION, true);
  header.setUint16(6, cpus, true);
  header.setUint32(8, length, true);
  bytes.set(content, HEADER_BYTES);
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
  const columns = inflate(bytes.subarray(HEADER_BYTES), length * COLUMNS, name);
  const trace = {
    name,
    cpus,
    length,
    // Copies: the slices of a buffer would keep all of it.
    operations: new Uint8Array(columns.subarray(0, length)),
    cpuOf: new Uint8Array(columns.subarray(length, 2 * length)),
    alignmentLog2: new Uint8Array(columns.subarray(2 * length, 3 * length)),
    ids: joinBytes(columns.subarray(ID_COLUMN * length), length),
    sizes: joinBytes(columns.subarray(SIZE_COLUMN * length), length),
  };
  checkTrace(trace);
  return trace;
}

/**
 * The operations one by one, for programs that replay them: what it is, CPU, log2 of the alignment, 0 (a byte
 * each), id, size (4 bytes each, little-endian).
 */
export function traceRecords(trace: Trace): Uint8Array {
  const bytes = new Uint8Array(trace.length * RECORD_BYTES);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < trace.length; index += 1) {
    const at = index * RECORD_BYTES;
    bytes[at] = trace.operations[index] ?? 0;
    bytes[at + 1] = trace.cpuOf[index] ?? 0;
    bytes[at + 2] = trace.alignmentLog2[index] ?? 0;
    view.setUint32(at + 4, trace.ids[index] ?? 0, true);
    view.setUint32(at + 8, trace.sizes[index] ?? 0, true);
  }
  return bytes;
}

function readHeader(bytes: Uint8Array, name: string): { cpus: number; length: number } {
  if (!isTraceFile(bytes)) throw unreadable(name, `it does not begin with "${MAGIC}"`);
  if (bytes.length < HEADER_BYTES) throw unreadable(name, "it ends in its header");
  const header = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = header.getUint16(4, true);
  if (version !== VERSION) throw unreadable(name, `its version is ${version}, not ${VERSION}`);
  const cpus = header.getUint16(6, true);
  const length = header.getUint32(8, true);
  if (length > TRACE_OPERATIONS_MAX) {
    throw unreadable(name, `it has ${length} operations, more than ${TRACE_OPERATIONS_MAX}`);
  }
  if (length * COLUMNS > (bytes.length - HEADER_BYTES) * DEFLATE_RATIO_MAX) {
    throw unreadable(name, `${bytes.length} bytes cannot hold ${length} operations`);
  }
  if (header.getUint32(12, true) !== 0) throw unreadable(name, "its header is damaged");
  return { cpus, length };
}

function inflate(content: Uint8Array, expected: number, name: string): Uint8Array {
  let columns: Uint8Array;
  let used: number;
  try {
    // A byte more, to see that there is more. With `info`, there is also the engine, which counts the bytes
    // it took; the types do not know it.
    const options = { maxOutputLength: expected + 1, info: true } as object;
    const result = inflateSync(content, options) as unknown as {
      readonly buffer: Uint8Array;
      readonly engine: { readonly bytesWritten: number };
    };
    columns = result.buffer;
    used = result.engine.bytesWritten;
  } catch (error) {
    const isLonger = (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
    throw unreadable(name, isLonger ? "it has more operations than it says" : "it is damaged");
  }
  if (columns.length !== expected) {
    const relation = columns.length > expected ? "more" : "fewer";
    throw unreadable(name, `it has ${relation} operations than it says`);
  }
  if (used !== content.length) throw unreadable(name, "something follows its operations");
  return columns;
}

/** Numbers to four columns. */
function splitBytes(numbers: Uint32Array, columns: Uint8Array): void {
  const { length } = numbers;
  for (let index = 0; index < length; index += 1) {
    const value = numbers[index] ?? 0;
    columns[index] = value & 0xff;
    columns[index + length] = (value >>> 8) & 0xff;
    columns[index + 2 * length] = (value >>> 16) & 0xff;
    columns[index + 3 * length] = value >>> 24;
  }
}

function joinBytes(columns: Uint8Array, length: number): Uint32Array {
  const numbers = new Uint32Array(length);
  const byte = (column: number, index: number): number => columns[column * length + index] ?? 0;
  for (let index = 0; index < length; index += 1) {
    numbers[index] =
      byte(0, index) | (byte(1, index) << 8) | (byte(2, index) << 16) | (byte(3, index) << 24);
  }
  return numbers;
}

/** Every operation is one that a program can have asked for at that place. */
function checkTrace(trace: Trace): void {
  const { name, cpus, length, operations, ids } = trace;
  if (cpus < 1 || cpus > CPUS_MAX) {
    throw unreadable(name, `it has ${cpus} CPUs; there are 1 to ${CPUS_MAX}`);
  }
  const isAlive = new Uint8Array(length);
  for (let index = 0; index < length; index += 1) {
    const id = ids[index] ?? 0;
    const operation = operations[index] ?? 0;
    const problem = fieldProblem(trace, index) ?? lifeProblem(operation, isAlive[id] === 1);
    if (problem !== undefined) throw unreadable(name, `operation ${index} ${problem}`);
    isAlive[id] = operation === FREE ? 0 : 1;
  }
}

function fieldProblem(trace: Trace, index: number): string | undefined {
  const { cpus, length } = trace;
  const operation = trace.operations[index] ?? 0;
  const cpu = trace.cpuOf[index] ?? 0;
  const id = trace.ids[index] ?? 0;
  const alignmentLog2Max = operation === MALLOC ? ALIGNMENT_LOG2_MAX : 0;
  if (operation < MALLOC || operation > CALLOC) return `is of no known kind: ${operation}`;
  if (cpu >= cpus) return `is on CPU ${cpu}; there are ${cpus}`;
  if ((trace.alignmentLog2[index] ?? 0) > alignmentLog2Max) return "has an absurd alignment";
  if (id >= length) return `has the id ${id}; ids are below the number of operations`;
  const size = trace.sizes[index] ?? 0;
  if (operation === FREE && size !== 0) return "frees, and has a size";
  if (operation === REALLOC && size === 0) return "reallocates, and has no size";
  return undefined;
}

function lifeProblem(operation: number, isAlive: boolean): string | undefined {
  const needsObject = operation === FREE || operation === REALLOC;
  if (needsObject === isAlive) return undefined;
  return needsObject ? "is about an object that is not there" : "makes an object that is there";
}

function unreadable(name: string, why: string): AllocatorError {
  return new AllocatorError("WL_ALLOC_TRACE", `"${name}" is no trace: ${why}`, {
    next: "Record it again, or take it from where it came once more",
  });
}
