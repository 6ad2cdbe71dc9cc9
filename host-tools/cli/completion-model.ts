/** What the completion scripts of all shells have in common, from the command table. Pure. */
import type { Operand, OptionSpec } from "./command.ts";
import { commandNames, commandTable } from "./command-table.ts";

export interface CompletionOperand {
  /** What to offer: a kind of `windlass complete-words`, files, or nothing. */
  readonly source:
    | "instances"
    | "templates"
    | "checkpoints"
    | "images"
    | "kernels"
    | "files"
    | "nothing";
  /** Offered in place of it. */
  readonly choices: readonly string[];
}

export interface CompletionCommand {
  readonly name: string;
  /** The first word of a command of two. */
  readonly family: string | undefined;
  readonly summary: string;
  /** Second words of other commands that begin with its name, as "checkpoint ls" does with "checkpoint". */
  readonly members: readonly string[];
  readonly options: readonly (readonly [string, OptionSpec])[];
  /** The last one stands for all that follow. */
  readonly operands: readonly CompletionOperand[];
}

export function completionCommands(): CompletionCommand[] {
  const visible = commandNames.filter((name) => !commandTable[name].hidden);
  return visible.map((name) => {
    const { summary, options, operands } = commandTable[name];
    const [first, second] = name.split(" ");
    return {
      name,
      family: second === undefined ? undefined : first,
      summary,
      members: visible.flatMap((other) =>
        other.startsWith(`${name} `) ? [other.slice(name.length + 1)] : [],
      ),
      options: Object.entries(options),
      operands: operands.map(operandOf),
    };
  });
}

/** The words that may come first. */
export function topWords(commands: readonly CompletionCommand[]): string[] {
  return [...new Set(commands.map(({ name, family }) => family ?? name))];
}

const SOURCES = {
  instance: "instances",
  template: "templates",
  checkpoint: "checkpoints",
  image: "images",
  kernel: "kernels",
  file: "files",
  command: "nothing",
  word: "nothing",
} as const satisfies Record<Operand["kind"], CompletionOperand["source"]>;

function operandOf({ kind, choices }: Operand): CompletionOperand {
  if (kind === "command") {
    const names = commandNames.filter((name) => !commandTable[name].hidden);
    return { source: "nothing", choices: [...new Set(names.flatMap((name) => name.split(" ")))] };
  }
  return { source: SOURCES[kind], choices: choices ?? [] };
}
