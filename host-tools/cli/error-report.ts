/** Errors as people and programs read them. Pure. */
import { isInterruption } from "./interrupts.ts";
import { printableText } from "./printable-text.ts";

export interface ErrorReport {
  /** WL_..., for programs; WL_INTERNAL is a fault of Windlass. */
  readonly code: string;
  readonly message: string;
  readonly next?: string;
  /** Messages of the causes, outermost first, those left out that the message repeats. */
  readonly causes: readonly string[];
  readonly exitCode: number;
}

interface KnownError extends Error {
  readonly code: string;
  readonly facts: {
    readonly next?: string;
    readonly file?: string;
    readonly line?: number;
    readonly column?: number;
  };
}

const CAUSES_MAX = 4;
const USAGE_STATUS = 2;

export function reportOf(error: unknown): ErrorReport {
  if (isInterruption(error)) {
    const { message, exitCode } = error;
    return { code: "WL_INTERRUPTED", message, causes: [], exitCode };
  }
  if (isKnown(error)) {
    const { code, facts } = error;
    const message = `${error.message}${position(error)}`;
    const next = facts.next === undefined ? {} : { next: facts.next };
    const exitCode = code === "WL_USAGE" ? USAGE_STATUS : 1;
    return { code, message, ...next, causes: causesOf(error, message), exitCode };
  }
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof Error && "syscall" in error) {
    const next = "Check that the disk is not full and that the file may be used";
    return { code: "WL_HOST_IO", message, next, causes: [], exitCode: 1 };
  }
  return {
    code: "WL_INTERNAL",
    message: `Windlass failed: ${message}`,
    next: "This is a fault of Windlass: please report it with the output of WINDLASS_DEBUG=1",
    causes: causesOf(error, message),
    exitCode: 1,
  };
}

/** @param paint colours a word, or leaves it as it is */
export function errorText(report: ErrorReport, paint = (word: string): string => word): string {
  const { code, message, next, causes } = report;
  const lines = [
    `${paint(`error[${code}]:`)} ${printableText(message)}`,
    ...causes.map((cause) => `  because: ${printableText(cause)}`),
    ...(next === undefined ? [] : [`next: ${printableText(next)}`]),
  ];
  return lines.join("\n");
}

export function errorJson({ code, message, next, causes }: ErrorReport): string {
  return JSON.stringify({ error: { code, message, next: next ?? null, causes } });
}

/** Errors of the image builder and of the host, known by their shape: their classes cost time to load. */
function isKnown(error: unknown): error is KnownError {
  return (
    error instanceof Error &&
    "code" in error &&
    typeof error.code === "string" &&
    error.code.startsWith("WL_") &&
    "facts" in error
  );
}

/** ", line 3, column 7", when the message does not say it already. */
function position({ message, facts: { file, line, column } }: KnownError): string {
  if (file === undefined || line === undefined || message.includes(`:${line}`)) return "";
  const where = `line ${line}${column === undefined ? "" : `, column ${column}`}`;
  return message.includes(file) ? ` (${where})` : ` (${file}, ${where})`;
}

function causesOf(error: unknown, message: string): string[] {
  const causes: string[] = [];
  let cause = error instanceof Error ? error.cause : undefined;
  while (cause instanceof Error && causes.length < CAUSES_MAX) {
    const text = cause.message;
    const said = [message, ...causes].some((words) => words.includes(text));
    if (text !== "" && !said) causes.push(text);
    cause = cause.cause;
  }
  return causes;
}
