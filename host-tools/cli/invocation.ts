/** What a command gets, and what it returns. */
import type { CommandName, OptionsOf } from "./command-table.ts";
import type { Interrupts } from "./interrupts.ts";
import type { Output } from "./output.ts";

export interface Invocation<Name extends CommandName> extends Interrupts {
  readonly options: OptionsOf<Name>;
  /** As many as the table asks for. */
  readonly operands: readonly string[];
  readonly output: Output;
  /** Reports an error and goes on: for commands that take several names. */
  report(error: unknown): void;
}

/** @returns the exit status: 0, 1, or the program's own */
export type Execute<Name extends CommandName> = (invocation: Invocation<Name>) => Promise<number>;
