/** Prose in lines that fit a terminal. Pure. */

const LINE_CHARACTERS = 80;

export function wrapText(text: string, width = LINE_CHARACTERS): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = "";
    }
    line += line === "" ? word : ` ${word}`;
  }
  return [...lines, line].join("\n");
}
