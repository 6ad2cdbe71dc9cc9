/** The command of `PUT /app`: words, quotes, and `&` between commands, as OSv's loader takes them. */
import { AgentError } from "./agent-error.ts";

/**
 * `a "b c" & d` is two commands. A backslash takes the next character as it is; in single quotes it is
 * itself. `&!` (OSv: do not wait) means the same as `&`, since nobody waits here.
 * @throws {AgentError} 400 with OSv's words
 */
export function parseCommands(text: string): string[][] {
  if (text.trimEnd().endsWith(";")) {
    throw new AgentError(
      "WL_AGENT_BAD_REQUEST",
      "The use of ; is not allowed, use & for multiple commands",
    );
  }
  const commands: string[][] = [];
  let words: string[] = [];
  let word: string | undefined;
  let quote = "";
  const endWord = (): void => {
    if (word !== undefined) words.push(word);
    word = undefined;
  };
  const endCommand = (): void => {
    endWord();
    if (words.length > 0) commands.push(words);
    words = [];
  };
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at] as string;
    if (character === "\\" && quote !== "'") {
      at += 1;
      if (at === text.length) throw badCommand();
      word = (word ?? "") + text[at];
    } else if (quote !== "") {
      if (character === quote) quote = "";
      else word += character;
    } else if (character === '"' || character === "'") {
      quote = character;
      word ??= "";
    } else if (character === "&") {
      endCommand();
      if (text[at + 1] === "!") at += 1;
    } else if (/\s/.test(character)) endWord();
    else word = (word ?? "") + character;
  }
  if (quote !== "") throw badCommand();
  endCommand();
  if (commands.length === 0) throw badCommand();
  return commands;
}

function badCommand(): AgentError {
  return new AgentError("WL_AGENT_BAD_REQUEST", "Bad formatted command");
}
