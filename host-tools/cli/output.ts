/** The only way out: results to standard output, everything else to standard error. */
import type { Writable } from "node:stream";

export interface Output {
  /** Whether standard output, and error, are terminals: only then colour and redrawing. */
  readonly isTerminal: boolean;
  readonly errorIsTerminal: boolean;
  readonly columns: number;
  readonly rows: number;
  /** A result, or a program's own bytes; fulfilled when more may follow. */
  print(data: string | Uint8Array): Promise<void>;
  /** A value as JSON, on lines of its own. */
  json(value: unknown): Promise<void>;
  /** A value as JSON on one line: a record of a stream. */
  jsonLine(value: unknown): Promise<void>;
  /** A program's own error output. */
  printError(data: string | Uint8Array): Promise<void>;
  /** A line about what is going on, for people. */
  note(line: string): void;
  /** What is going on right now: only on a terminal, and gone with the next note. */
  draft(line: string): void;
}

export interface OutputStreams {
  readonly stdout: Writable & { readonly isTTY?: boolean; columns?: number; rows?: number };
  readonly stderr: Writable & { readonly isTTY?: boolean };
}

/** To the begin of the line, and erase it: ECMA-48, CR and EL. */
const CLEAR_LINE = "\r\x1b[K";

/** @param onClosed told once when nobody reads standard output any more (EPIPE) */
export function createOutput({ stdout, stderr }: OutputStreams, onClosed: () => void): Output {
  stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    onClosed();
  });
  // Standard error closed: there is nobody to tell.
  stderr.on("error", () => {});
  const errorIsTerminal = stderr.isTTY === true;
  return {
    isTerminal: stdout.isTTY === true,
    errorIsTerminal,
    get columns() {
      return stdout.columns ?? 80;
    },
    get rows() {
      return stdout.rows ?? 24;
    },
    print: (data) => write(stdout, data),
    json: (value) => write(stdout, `${JSON.stringify(value, null, 2)}\n`),
    jsonLine: (value) => write(stdout, `${JSON.stringify(value)}\n`),
    printError: (data) => write(stderr, data),
    note: (line) => void stderr.write(`${errorIsTerminal ? CLEAR_LINE : ""}${line}\n`),
    draft: (line) => void (errorIsTerminal && stderr.write(`${CLEAR_LINE}${line}`)),
  };
}

function write(stream: Writable, data: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.writableEnded) return resolve();
    // The error itself is told by the stream's "error" event.
    if (stream.write(data)) return resolve();
    const go = (): void => {
      stream.off("drain", go);
      stream.off("close", go);
      resolve();
    };
    stream.on("drain", go);
    stream.on("close", go);
  });
}
