/** The help texts, from the command table. Pure. */
import type { CommandGroup, OptionSpec } from "./command.ts";
import { usageLine } from "./command-line.ts";
import {
  type CommandName,
  commandNames,
  commandTable,
  isCommandFamily,
  isCommandName,
} from "./command-table.ts";
import { wrapText } from "./wrap-text.ts";

const GROUPS: readonly CommandGroup[] = [
  "Instances",
  "Checkpoints",
  "Templates",
  "Images",
  "Host",
  "Conformance",
  "Allocator model",
];

/** @param about a command, a family of commands, or undefined for everything */
export function helpText(about?: string): string {
  if (about === undefined) return overview();
  return isCommandName(about) ? commandHelp(about) : familyHelp(about);
}

/** Whether there is something to say about these words. */
export function hasHelp(about: string): boolean {
  return isCommandName(about) || isCommandFamily(about);
}

function overview(): string {
  const sections = GROUPS.map((group) => {
    const names = commandNames.filter((name) => commandTable[name].group === group);
    return `${group}:\n${summaries(names)}`;
  });
  return [
    "Windlass: build a program into a small virtual machine, and run it like a process\n",
    "Usage: windlass COMMAND [OPTIONS]\n",
    ...sections.map((section) => `${section}\n`),
    'See "windlass COMMAND --help" for a command\'s options.\n',
  ].join("\n");
}

function familyHelp(family: string): string {
  const names = commandNames.filter((name) => name.startsWith(`${family} `));
  return `Usage: windlass ${family} COMMAND\n\nCommands:\n${summaries(names)}\n`;
}

function summaries(names: readonly CommandName[]): string {
  const visible = names.filter((name) => !commandTable[name].hidden);
  return columns(visible.map((name) => [name, commandTable[name].summary]));
}

function commandHelp(name: CommandName): string {
  const { summary, description, options, examples } = commandTable[name];
  const rows = Object.entries(options).map(([long, option]): [string, string] => {
    return [optionUsage(long, option), option.summary];
  });
  rows.push(["    --help", "Show this"]);
  const text = wrapText(description === undefined ? `${summary}.` : `${summary}. ${description}`);
  return [
    `Usage: ${usageLine(name)}\n`,
    `${text}\n`,
    `Options:\n${columns(rows)}\n`,
    ...(examples.length > 0
      ? [`Examples:\n${examples.map((line) => `  ${line}`).join("\n")}\n`]
      : []),
  ].join("\n");
}

/** "-e, --env NAME=VALUE" */
function optionUsage(long: string, option: OptionSpec): string {
  const names = `${option.short === undefined ? "   " : `-${option.short},`} --${long}`;
  if (option.kind === "flag") return names;
  return `${names} ${option.kind === "choice" ? option.choices.join("|") : option.value}`;
}

/** A first column wider than this gets a line of its own. */
const FIRST_COLUMN_MAX = 30;

function columns(rows: readonly (readonly [string, string])[]): string {
  const fitting = rows.map(([left]) => left.length).filter((width) => width <= FIRST_COLUMN_MAX);
  const width = Math.max(0, ...fitting);
  return rows
    .map(([left, right]) =>
      left.length > width
        ? `  ${left}\n  ${" ".repeat(width)}  ${right}`
        : `  ${left.padEnd(width)}  ${right}`,
    )
    .join("\n");
}
