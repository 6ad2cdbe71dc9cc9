/** From the words of the command line to a command, its options and its operands. Pure. */
import { parseArgs } from "node:util";
import { nearestWord } from "../../image-builder/manifest/spelling.ts";
import { HostError } from "../errors.ts";
import type { CommandSpec, OptionSpec } from "./command.ts";
import { type CommandName, commandNames, commandTable, isCommandName } from "./command-table.ts";

export type CommandLine =
  | { readonly kind: "help"; readonly about: string | undefined }
  | { readonly kind: "version" }
  | {
      readonly kind: "command";
      readonly name: CommandName;
      /** By long name: false and [] for options that were not given, else undefined. */
      readonly options: Readonly<Record<string, OptionValue>>;
      readonly operands: readonly string[];
    };

export type OptionValue = boolean | number | string | readonly string[] | undefined;

/**
 * @param words process.argv without the first two
 * @throws {HostError} WL_USAGE
 */
export function parseCommandLine(words: readonly string[]): CommandLine {
  const [first, second = ""] = words;
  if (first === undefined || first === "--help" || first === "-h") {
    return { kind: "help", about: undefined };
  }
  if (first === "--version" || first === "-v") return { kind: "version" };
  if (first.startsWith("-")) {
    throw usage(`Unknown option "${first}" before the command`, 'See "windlass --help"');
  }
  const two = `${first} ${second}`;
  if (isCommandName(two)) return parseCommand(two, words.slice(2));
  if (isCommandName(first)) return parseCommand(first, words.slice(1));
  return parseFamily(first, second);
}

/** "kernel" alone, or with a word that is none of its commands; or no command at all. */
function parseFamily(first: string, second: string): CommandLine {
  const family = commandNames.filter((name) => name.startsWith(`${first} `));
  if (family.length === 0) {
    const visible = commandNames.filter((name) => !commandTable[name].hidden);
    throw usage(`There is no command "${first}"`, suggestion(first, visible) ?? seeHelp());
  }
  if (second === "--help" || second === "-h") return { kind: "help", about: first };
  const known = family.map((name) => name.slice(first.length + 1));
  if (second === "")
    throw usage(`"windlass ${first}" needs a command`, `One of ${known.join(", ")}`);
  const near = suggestion(second, known);
  throw usage(`There is no command "${first} ${second}"`, near ?? seeHelp(first));
}

function parseCommand(name: CommandName, words: readonly string[]): CommandLine {
  const spec = commandTable[name];
  const { tokens } = parseArgs({
    args: [...words],
    options: parserOptions(spec),
    // Not strict: what is wrong is said below, in our words, and only for our part of the line.
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const options: Record<string, OptionValue> = {};
  for (const [long, option] of Object.entries(spec.options)) {
    if (option.kind === "flag") options[long] = false;
    if (option.kind === "list") options[long] = [];
  }
  const operands: string[] = [];
  for (const token of tokens) {
    if (token.kind === "option-terminator") {
      operands.push(...words.slice(token.index + 1));
      break;
    }
    if (token.kind === "positional") {
      if (operands.length === spec.programFrom) {
        operands.push(...words.slice(token.index));
        break;
      }
      operands.push(token.value);
      continue;
    }
    if (token.name === "help" || token.rawName === "-h") return { kind: "help", about: name };
    const option = Object.hasOwn(spec.options, token.name) ? spec.options[token.name] : undefined;
    if (!option) throw unknownOption(name, token.rawName, operands.length);
    addOption(options, option, token);
  }
  checkCount(name, operands);
  return { kind: "command", name, options, operands };
}

function parserOptions(spec: CommandSpec) {
  const entries = Object.entries(spec.options).map(([long, { kind, short }]) => {
    const type = kind === "flag" ? ("boolean" as const) : ("string" as const);
    return [long, { type, multiple: true, ...(short !== undefined && { short }) }] as const;
  });
  return Object.fromEntries(entries);
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value: string | undefined;
}

function addOption(
  options: Record<string, OptionValue>,
  option: OptionSpec,
  { name, rawName, value }: OptionToken,
): void {
  if (value === undefined && option.kind !== "flag") {
    const wanted = option.kind === "choice" ? option.choices.join("|") : option.value;
    throw usage(`Option "${rawName}" needs a value`, `Write ${rawName} ${wanted}`);
  }
  switch (option.kind) {
    case "flag":
      if (value !== undefined) throw usage(`Option "${rawName}" takes no value`, "Leave it out");
      options[name] = true;
      return;
    case "text":
      options[name] = value;
      return;
    case "list":
      options[name] = [...(options[name] as readonly string[]), value ?? ""];
      return;
    case "whole":
      if (!/^\d{1,9}$/.test(value ?? "")) {
        throw usage(`Option "${rawName}" is a number from 0 up, not "${value}"`, "Correct it");
      }
      options[name] = Number(value);
      return;
    case "choice":
      if (value === undefined || !option.choices.includes(value)) {
        const near = suggestion(value ?? "", option.choices);
        throw usage(
          `Option "${rawName}" cannot be "${value}"`,
          near ?? `Use one of ${option.choices.join(", ")}`,
        );
      }
      options[name] = value;
      return;
  }
}

function unknownOption(name: CommandName, rawName: string, operandCount: number): HostError {
  const { options, programFrom } = commandTable[name];
  const known = [...Object.keys(options).map((long) => `--${long}`), "--help"];
  const near = rawName.startsWith("--") ? suggestion(rawName, known) : undefined;
  const forProgram = programFrom !== undefined && operandCount >= programFrom;
  const next = forProgram
    ? `Put -- before it if it is for the program${near ? `. ${near}` : ""}`
    : (near ?? seeHelp(name));
  return usage(`"windlass ${name}" has no option "${rawName}"`, next);
}

function checkCount(name: CommandName, operands: readonly string[]): void {
  const { min, max } = commandTable[name];
  if (operands.length >= min && operands.length <= max) return;
  const what =
    operands.length < min
      ? `"windlass ${name}" needs ${min === 1 ? "an operand" : `${min} operands`}`
      : `"windlass ${name}" takes no "${operands[max]}"`;
  throw usage(what, `Write ${usageLine(name)}`);
}

/** "windlass run [OPTIONS] IMAGE|DIR [--] [ARG...]" */
export function usageLine(name: CommandName): string {
  const { operands, options } = commandTable[name];
  const parts = ["windlass", name, ...(Object.keys(options).length > 0 ? ["[OPTIONS]"] : [])];
  return [...parts, ...operands.map((operand) => operand.usage)].join(" ");
}

function suggestion(word: string, known: readonly string[]): string | undefined {
  const near = nearestWord(word, known);
  return near === undefined ? undefined : `Did you mean "${near}"?`;
}

function seeHelp(name?: string): string {
  return `See "windlass ${name === undefined ? "" : `${name} `}--help"`;
}

function usage(message: string, next: string): HostError {
  return new HostError("WL_USAGE", message, { next });
}
