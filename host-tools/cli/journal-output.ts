/** Prints a journal as `logs`, `run` and `attach` do. */
import type { JournalRecord } from "../../guest/api/journal.ts";
import { type JournalLine, linesOf, remarkOf } from "./journal-lines.ts";
import type { Output } from "./output.ts";
import { printableText } from "./printable-text.ts";

export interface JournalOutputOptions {
  /** The time before every line. */
  readonly timestamps?: boolean;
  /** Remarks about the program (out of memory, restarts), to standard error. Default true. */
  readonly remarks?: boolean;
}

/** The program's own bytes to the stream it wrote them to; a remark to standard error. */
export async function printRecord(
  output: Output,
  record: JournalRecord,
  options: JournalOutputOptions = {},
): Promise<void> {
  const { timestamps = false, remarks = true } = options;
  if (record.kind === "output" && !timestamps) {
    return await printLine(output, record, options);
  }
  for (const line of linesOf(record)) await printLine(output, line, options);
  const remark = remarks ? remarkOf(record) : undefined;
  if (remark !== undefined) output.note(`windlass: ${printableText(remark)}`);
}

export async function printLine(
  output: Output,
  { timeMs, stream, text }: JournalLine,
  { timestamps = false }: JournalOutputOptions = {},
): Promise<void> {
  const data = timestamps ? `${new Date(timeMs).toISOString()} ${text}` : text;
  await (stream === "stdout" ? output.print(data) : output.printError(data));
}
