/** Reads a trace of any format, which it finds out. */
import { noLosses, type ReadTrace } from "./address-trace.ts";
import { isLtraceLine, LTRACE_LINE, readLtrace } from "./ltrace-reader.ts";
import { isMtraceLine, MTRACE_LINE, readMtrace } from "./mtrace-reader.ts";
import { isOsvLine, OSV_LINE, readOsvTrace } from "./osv-trace-reader.ts";
import { decodeTrace, isTraceFile } from "./trace-file.ts";
import { linesOf, noTrace } from "./trace-lines.ts";

/** Programs may print other lines first. */
const LINES_LOOKED_AT = 10_000;

const formats = [
  { isLine: isMtraceLine, read: readMtrace },
  { isLine: isOsvLine, read: readOsvTrace },
  { isLine: isLtraceLine, read: readLtrace },
] as const;

/**
 * A trace in our own format, or in the text of ltrace, glibc's mtrace or OSv's trace.py.
 *
 * @param name the trace's, and of the file in errors
 * @throws {AllocatorError} WL_ALLOC_TRACE when it is none of them, or damaged
 */
export function readTrace(bytes: Uint8Array, name: string): ReadTrace {
  if (isTraceFile(bytes)) return { trace: decodeTrace(bytes, name), losses: noLosses };
  // Some byte of a name may be no UTF-8: each is a character.
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  let looked = 0;
  for (const line of linesOf(text)) {
    const format = formats.find(({ isLine }) => isLine(line));
    if (format) return format.read(text, name);
    looked += 1;
    if (looked === LINES_LOOKED_AT) break;
  }
  throw noTrace(text, name, `a .wlat file, ${MTRACE_LINE}, ${LTRACE_LINE}, or ${OSV_LINE}`);
}
