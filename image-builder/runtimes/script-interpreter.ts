/** The first line of a script, "#!INTERPRETER [ARGUMENT]", as Linux reads it (fs/binfmt_script.c). */

/** What the kernel looks at; what is cut off there is not run (BINPRM_BUF_SIZE). */
export const SCRIPT_HEAD_BYTES = 256;

export interface ScriptHead {
  /** As written; the kernel takes a relative path from the working folder. */
  readonly interpreter: string;
  /** Everything behind it, as one argument. */
  readonly argument: string | undefined;
}

/**
 * @param head the file's first 256 bytes, fewer if it is shorter
 * @returns undefined when the file is no script, or names no interpreter
 */
export function scriptHead(head: Uint8Array): ScriptHead | undefined {
  const text = Buffer.from(head.subarray(0, SCRIPT_HEAD_BYTES)).toString("utf8");
  if (!text.startsWith("#!")) return undefined;
  const newline = text.search(/[\n\0]/);
  const line = text.slice(2, newline < 0 ? undefined : newline).replace(/^[ \t]+|[ \t]+$/g, "");
  const space = line.search(/[ \t]/);
  const interpreter = space < 0 ? line : line.slice(0, space);
  if (interpreter === "") return undefined;
  // A path that fills the whole buffer may go on behind it.
  if (newline < 0 && space < 0 && head.length >= SCRIPT_HEAD_BYTES) return undefined;
  const argument = space < 0 ? "" : line.slice(space).trim();
  return { interpreter, argument: argument === "" ? undefined : argument };
}

/**
 * The program that env(1) starts: "python3", "-S python3 -u", "-i NAME=1 perl".
 *
 * @returns undefined when there is none
 */
export function programOfEnv(argument: string): string | undefined {
  const splits = /^-[a-z]*S\s*|^--split-string[= ]/.test(argument);
  const words = splits
    ? argument.replace(/^-[a-z]*S\s*|^--split-string[= ]/, "").split(/\s+/)
    : [argument];
  return words.find((word) => word !== "" && !word.startsWith("-") && !word.includes("="));
}
