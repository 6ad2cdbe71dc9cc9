/** Every command. The parser, the help and the completions are made from this table alone. */
import { allocatorCommands } from "./allocator-commands.ts";
import { checkpointCommands } from "./checkpoint-commands.ts";
import type { CommandSpec, OptionValues } from "./command.ts";
import { conformanceCommands } from "./conformance-commands.ts";
import { hostCommands } from "./host-commands.ts";
import { imageCommands } from "./image-commands.ts";
import { instanceCommands } from "./instance-commands.ts";
import { registryCommands } from "./registry-commands.ts";
import { templateCommands } from "./template-commands.ts";

const table = {
  ...instanceCommands,
  ...checkpointCommands,
  ...templateCommands,
  ...imageCommands,
  ...registryCommands,
  ...hostCommands,
  ...conformanceCommands,
  ...allocatorCommands,
} as const;

/** "run", "kernel add". */
export type CommandName = keyof typeof table;
export type OptionsOf<Name extends CommandName> = OptionValues<(typeof table)[Name]["options"]>;

export const commandTable: Readonly<Record<CommandName, CommandSpec>> = table;
export const commandNames = Object.keys(table) as readonly CommandName[];

export function isCommandName(word: string): word is CommandName {
  return Object.hasOwn(table, word);
}

/** First words of commands of two words: "kernel", "image". */
export function isCommandFamily(word: string): boolean {
  return commandNames.some((name) => name.startsWith(`${word} `));
}
