/** The journal's records as lines for people. Pure. */
import type { JournalRecord } from "../../guest/api/journal.ts";

export interface JournalLine {
  readonly timeMs: number;
  readonly stream: "stdout" | "stderr";
  /** With its line end, if the program wrote one. */
  readonly text: string;
}

/** The lines of an output record; a record is a chunk, whose last line may have no end yet. */
export function linesOf(record: JournalRecord): JournalLine[] {
  if (record.kind !== "output") return [];
  const { timeMs, stream, text } = record;
  const pieces = text.split(/(?<=\n)/);
  return pieces.filter((piece) => piece !== "").map((piece) => ({ timeMs, stream, text: piece }));
}

/** What is to be said beside the program's own output; undefined: nothing. */
export function remarkOf(record: JournalRecord): string | undefined {
  if (record.kind === "notice" && record.level !== "info") return record.text;
  if (record.kind !== "exit" || record.reason === null) return undefined;
  return record.reason;
}

/** Keeps the last lines of what it is given. */
export class LastLines {
  #lines: JournalLine[] = [];
  readonly #limit: number;

  /** @param limit number of lines; Infinity keeps all */
  constructor(limit: number) {
    this.#limit = limit;
  }

  add(lines: readonly JournalLine[]): void {
    // One by one: a guest may write more lines in one record than a call takes arguments.
    for (const line of lines) this.#lines.push(line);
    // Not at every line: cutting an array copies it.
    if (this.#lines.length > 2 * this.#limit + 1000) this.#lines = this.lines();
  }

  lines(): JournalLine[] {
    if (this.#limit === 0) return [];
    return this.#limit === Number.POSITIVE_INFINITY ? this.#lines : this.#lines.slice(-this.#limit);
  }
}
