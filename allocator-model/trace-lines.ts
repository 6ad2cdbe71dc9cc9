/** What the readers of traces in text have in common. */
import type { AddressTrace, ReadTrace } from "./address-trace.ts";
import { AllocatorError } from "./allocator-error.ts";

/** Longer lines are cut: no line that matters is as long. */
const LINE_CHARACTERS_MAX = 4096;
const SHOWN_CHARACTERS = 60;

/** The lines of a text, without their ends. */
export function* linesOf(text: string): Generator<string> {
  for (let begin = 0; begin < text.length; ) {
    const newline = text.indexOf("\n", begin);
    const end = newline < 0 ? text.length : newline;
    yield text.slice(begin, Math.min(end, begin + LINE_CHARACTERS_MAX)).trimEnd();
    begin = end + 1;
  }
}

/**
 * An address as a text that is the same for the same address.
 *
 * @returns undefined for the null pointer: "0", "0x0", "(nil)", "NULL"
 */
export function addressKey(text: string): string | undefined {
  const digits = text.toLowerCase().replace(/^(?:0x)?0*/, "");
  return /^[0-9a-f]+$/.test(digits) ? digits : undefined;
}

/** Threads by the order in which they are first seen. */
export class ThreadNumbers {
  readonly #numbers = new Map<string, number>();

  of(thread: string): number {
    const known = this.#numbers.get(thread);
    if (known !== undefined) return known;
    this.#numbers.set(thread, this.#numbers.size);
    return this.#numbers.size - 1;
  }
}

/** @throws {AllocatorError} WL_ALLOC_TRACE when there was no operation in the text */
export function readTraceOf(
  addresses: AddressTrace<string>,
  { text, name, expected }: { text: string; name: string; expected: string },
): ReadTrace {
  if (addresses.length > 0) return addresses.build(name);
  throw noTrace(text, name, expected);
}

/** The error that names the first line. */
export function noTrace(text: string, name: string, expected: string): AllocatorError {
  let number = 0;
  for (const line of linesOf(text)) {
    number += 1;
    if (line === "") continue;
    const shown = `${line.slice(0, SHOWN_CHARACTERS)}${line.length > SHOWN_CHARACTERS ? "…" : ""}`;
    const text = `"${name}" is no trace: line ${number} is "${shown}"`;
    return new AllocatorError("WL_ALLOC_TRACE", text, { next: `Expected is ${expected}` });
  }
  return new AllocatorError("WL_ALLOC_TRACE", `"${name}" is no trace: it is empty`, {
    next: `Expected is ${expected}`,
  });
}
