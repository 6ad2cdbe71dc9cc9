/**
 * Text of a registry or of an image as part of a message. It may forge: a newline with `next:` behind it, a
 * terminal's escape sequence, marks that turn the direction of writing. And it may have any length.
 */

const TEXT_LENGTH_MAX = 200;
/** Controls (C0, DEL, C1), invisible marks, separators of lines, halves of characters. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;

/** Quoted, on one line and not much longer than one: `"a\nb"`. */
export function quoted(text: string): string {
  return `"${shown(text)}"`;
}

/** The same without the quotes around it, for lists and whole sentences. */
export function shown(text: string, lengthMax = TEXT_LENGTH_MAX): string {
  let result = "";
  for (const character of text) {
    const escaped = visible(character);
    if (result.length + escaped.length > lengthMax) return `${result}...`;
    result += escaped;
  }
  return result;
}

function visible(character: string): string {
  const json = JSON.stringify(character).slice(1, -1);
  if (json !== character || !UNSEEN.test(character)) return json;
  return `\\u{${character.codePointAt(0)?.toString(16)}}`;
}
