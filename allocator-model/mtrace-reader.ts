/**
 * Reads what mtrace(3) of glibc writes to the file that MALLOC_TRACE names:
 *
 *     = Start
 *     @ ./program:(main+0x10)[0x12a8] + 0x5588231852a0 0x18      malloc, calloc, memalign
 *     @ ./program:[0x12bd] < 0x5588231852a0                      realloc, of
 *     @ ./program:[0x12bd] > 0x7f8d360f2010 0x30d40              and to
 *     @ ./program:[0x1357] - 0x5588231852a0                      free
 *     @ ./program:[0x1359] ! 0x5588231852a0 0x4000000000000000   realloc that failed
 *
 * It has neither threads nor alignments.
 */
import { AddressTrace, type ReadTrace } from "./address-trace.ts";
import { addressKey, linesOf, readTraceOf } from "./trace-lines.ts";

const OPERATION = /^(?:@ .* )?([-+<>!]) (0x[0-9a-f]+|\(nil\))(?: (0x[0-9a-f]+|0))?$/;
const FRAME = /^= (?:Start|End)$/;
export const MTRACE_LINE = '"= Start" and lines as "@ ./program:[0x12a8] + 0x5588231852a0 0x18"';
const CPU = 0;

export function isMtraceLine(line: string): boolean {
  return FRAME.test(line) || OPERATION.test(line);
}

/** @throws {AllocatorError} WL_ALLOC_TRACE when no line of the text is an operation */
export function readMtrace(text: string, name: string): ReadTrace {
  const addresses = new AddressTrace<string>();
  /** Of the realloc whose second line is to come. */
  let moving: number | undefined;
  for (const line of linesOf(text)) {
    const [, kind, addressText = "", sizeText] = OPERATION.exec(line) ?? [];
    const address = addressKey(addressText);
    if (kind === undefined) {
      if (line !== "" && !FRAME.test(line)) addresses.skipLine();
    } else if (kind === "-") {
      if (address !== undefined) addresses.free(address, CPU);
    } else if (kind === "<") {
      moving = address === undefined ? undefined : addresses.beginRealloc(address);
    } else if (kind === "!" || address === undefined) {
      addresses.fail();
    } else if (sizeText === undefined) {
      addresses.skipLine();
    } else if (kind === "+") {
      addresses.allocate(address, { size: Number(sizeText), cpu: CPU });
    } else {
      addresses.endRealloc(moving, address, { size: Number(sizeText), cpu: CPU });
      moving = undefined;
    }
  }
  return readTraceOf(addresses, { text, name, expected: MTRACE_LINE });
}
