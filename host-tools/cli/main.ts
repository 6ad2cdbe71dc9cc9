#!/usr/bin/env -S node --
/**
 * The command `windlass`. Loads the command table and little else; the commands' own modules follow
 * when they are called. Nothing but this folder prints or exits.
 *
 * The "--" above keeps Node 20 from reading the file of `windlass run --env-file FILE` for itself.
 */
import { type CommandLine, parseCommandLine } from "./command-line.ts";
import type { CommandName } from "./command-table.ts";
import { loaders } from "./dispatch.ts";
import { errorJson, errorText, reportOf } from "./error-report.ts";
import { handleInterrupts, isInterruption, OutputClosed } from "./interrupts.ts";
import type { Execute, Invocation } from "./invocation.ts";
import { createOutput } from "./output.ts";

const RED = ["\x1b[31m", "\x1b[39m"] as const;
/** What `--version` stands for. Above the first await, which runs the command. */
const versionCommand = { name: "version", options: { json: false }, operands: [] } as const;

const words = process.argv.slice(2);
const interrupts = handleInterrupts();
const output = createOutput(process, () => interrupts.abort(new OutputClosed()));
let wantsJson = words.includes("--json");

process.on("uncaughtException", (error) => finish(report(error)));
finish(await perform(words).catch(report));

async function perform(argv: readonly string[]): Promise<number> {
  const line = parseCommandLine(argv);
  if (line.kind === "help") {
    const { helpText } = await import("./help.ts");
    await output.print(helpText(line.about));
    return 0;
  }
  return await execute(line.kind === "version" ? versionCommand : line);
}

async function execute({
  name,
  options,
  operands,
}: Omit<Extract<CommandLine, { kind: "command" }>, "kind">): Promise<number> {
  wantsJson = options["json"] === true;
  const module = await loaders[name]();
  // The parser has checked the options against the same table that their type comes from.
  const invocation = {
    ...interrupts,
    options,
    operands,
    output,
    report: (error: unknown) => void report(error),
  };
  const run = module.execute as Execute<CommandName>;
  return await run(invocation as Invocation<CommandName>);
}

/** Says what went wrong. @returns the exit status it stands for */
function report(thrown: unknown): number {
  const { aborted, reason } = interrupts.signal;
  // Node wraps the reason of an abort in an error of its own.
  const error =
    aborted && thrown instanceof Error && thrown.name === "AbortError" ? reason : thrown;
  const described = reportOf(error);
  // Whoever pressed Ctrl-C knows; the status tells the others.
  if (isInterruption(error)) return described.exitCode;
  const coloured = output.errorIsTerminal && !process.env["NO_COLOR"];
  const paint = (word: string): string => (coloured ? `${RED[0]}${word}${RED[1]}` : word);
  output.note(wantsJson ? errorJson(described) : errorText(described, paint));
  if (process.env["WINDLASS_DEBUG"] && error instanceof Error) output.note(error.stack ?? "");
  return described.exitCode;
}

/** Ends the process when everything has been written. */
function finish(status: number): void {
  process.exitCode = status;
  process.stdout.write("", () => process.exit(status));
}
