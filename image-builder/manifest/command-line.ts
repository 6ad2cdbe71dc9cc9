/**
 * One line of words to an argument list, the way a POSIX shell splits and quotes, without a shell:
 * no variables, no globs, no operators.
 */

export class CommandLineError extends Error {
  override readonly name = "CommandLineError";
}

/** Characters that a shell would act on outside quotes. */
const SHELL_OPERATORS = new Set([..."|&;<>()$`*?[]#~\n"]);

/**
 * @throws {CommandLineError} when a quote stays open, or when the line needs a shell and `strict` is
 *   set (the default)
 */
export function splitCommandLine(line: string, { strict = true } = {}): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: '"' | "'" | undefined;
  for (let at = 0; at < line.length; at += 1) {
    const char = line.charAt(at);
    const next = line.charAt(at + 1);
    if (quote === "'") {
      if (char === "'") quote = undefined;
      else word += char;
    } else if (quote === '"') {
      if (char === '"') {
        quote = undefined;
      } else if (char === "\\" && next !== "" && '"\\$`'.includes(next)) {
        word += next;
        at += 1;
      } else {
        if (strict && (char === "$" || char === "`")) throw needsShell(char);
        word += char;
      }
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= "";
    } else if (char === "\\") {
      if (next === "") throw new CommandLineError("it ends with a backslash");
      word = (word ?? "") + next;
      at += 1;
    } else if (char === " " || char === "\t" || char === "\n") {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (
      strict &&
      SHELL_OPERATORS.has(char) &&
      !(word !== undefined && "#~".includes(char))
    ) {
      throw needsShell(char);
    } else {
      word = (word ?? "") + char;
    }
  }
  if (quote) throw new CommandLineError(`a ${quote} stays open`);
  if (word !== undefined) words.push(word);
  return words;
}

function needsShell(char: string): CommandLineError {
  return new CommandLineError(
    `${JSON.stringify(char)} would need a shell; quote it to mean itself`,
  );
}
