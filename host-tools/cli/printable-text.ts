/**
 * Text from guests, images and files, made safe for a terminal: control characters could move the
 * cursor, rename the window or feign other output. Pure.
 */

/** C0, DEL, C1, and the marks that reorder text (Unicode Technical Standard 55, 4.1). */
const UNSAFE = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** On one line, control characters written out: "\x1b". */
export function printableLine(text: string): string {
  return text.replace(UNSAFE, writtenOut);
}

/** The same with line ends and tabs left as they are. */
export function printableText(text: string): string {
  return text.replace(UNSAFE, (character) =>
    character === "\n" || character === "\t" ? character : writtenOut(character),
  );
}

function writtenOut(character: string): string {
  const code = character.charCodeAt(0);
  if (character === "\n") return "\\n";
  if (character === "\t") return "\\t";
  if (character === "\r") return "\\r";
  return code < 0x100 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`;
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}
