/** What a command looks like to the parser, the help and the shell completions. Pure data. */

interface OptionBase {
  /** One letter, without its dash; Docker's meaning. */
  readonly short?: string;
  /** Half a sentence for the help, without a full stop. */
  readonly summary: string;
}

export interface FlagOption extends OptionBase {
  readonly kind: "flag";
}

export interface ValueOption extends OptionBase {
  /** list: may be given several times. whole: a number from 0 up, without a fraction. */
  readonly kind: "text" | "list" | "whole";
  /** Stands for the value in the help: "NAME". */
  readonly value: string;
}

export interface ChoiceOption extends OptionBase {
  readonly kind: "choice";
  readonly choices: readonly string[];
}

export type OptionSpec = FlagOption | ValueOption | ChoiceOption;

/** What stands at an operand's place; completions offer these. */
export type OperandKind =
  | "instance"
  | "template"
  | "checkpoint"
  | "image"
  | "kernel"
  | "file"
  | "command"
  | "word";

export interface Operand {
  /** As the usage line shows it: "NAME", "[DIR]", "NAME...". */
  readonly usage: string;
  readonly kind: OperandKind;
  readonly choices?: readonly string[];
}

export type CommandGroup =
  | "Instances"
  | "Checkpoints"
  | "Templates"
  | "Images"
  | "Host"
  | "Conformance"
  | "Allocator model";

export interface CommandSpec {
  readonly group: CommandGroup;
  /** One line, in the imperative, without a full stop. */
  readonly summary: string;
  /** Sentences for the command's own help. */
  readonly description?: string;
  readonly operands: readonly Operand[];
  /** How many operands there have to be. */
  readonly min: number;
  /** How many there may be; Infinity for any number. */
  readonly max: number;
  /**
   * The operand with this number and everything after it are the program's words, options included;
   * "--" in front of it is dropped.
   */
  readonly programFrom?: number;
  readonly options: Readonly<Record<string, OptionSpec>>;
  readonly examples: readonly string[];
  /** Not in the help. */
  readonly hidden?: true;
}

/** The type of an option's value. */
type ValueOf<Spec> = Spec extends { kind: "flag" }
  ? boolean
  : Spec extends { kind: "list" }
    ? readonly string[]
    : Spec extends { kind: "whole" }
      ? number | undefined
      : Spec extends { kind: "choice"; choices: readonly (infer Choice)[] }
        ? Choice | undefined
        : string | undefined;

/** The values of a command's options, by their long names. */
export type OptionValues<Specs> = { readonly [Name in keyof Specs]: ValueOf<Specs[Name]> };

/** An option that is given or not. */
export function flag(summary: string, short?: string): FlagOption {
  return { kind: "flag", summary, ...(short !== undefined && { short }) };
}

export function text(value: string, summary: string, short?: string) {
  return { kind: "text", value, summary, ...(short !== undefined && { short }) } as const;
}

/** An option that may be repeated. */
export function list(value: string, summary: string, short?: string) {
  return { kind: "list", value, summary, ...(short !== undefined && { short }) } as const;
}

/** A number from 0 up. */
export function whole(value: string, summary: string, short?: string) {
  return { kind: "whole", value, summary, ...(short !== undefined && { short }) } as const;
}

export function choice<const Choices extends readonly string[]>(choices: Choices, summary: string) {
  return { kind: "choice", choices, summary } as const;
}
