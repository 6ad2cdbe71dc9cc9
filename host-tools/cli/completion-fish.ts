/** The completion script for fish (complete(1)). Pure. */
import type { OptionSpec } from "./command.ts";
import {
  type CompletionCommand,
  type CompletionOperand,
  completionCommands,
} from "./completion-model.ts";

export function fishCompletion(): string {
  const commands = completionCommands();
  const families = [...new Set(commands.flatMap(({ family }) => family ?? []))];
  const single = commands.filter(({ family }) => family === undefined);
  const lines = [
    ...single.map(({ name, summary }) => firstWord(name, summary)),
    ...families
      .filter((family) => !single.some(({ name }) => name === family))
      .map((family) => firstWord(family, `Commands about ${family}s`)),
    ...commands.flatMap(commandLines),
  ];
  return `# fish completion of windlass; keep it as ~/.config/fish/completions/windlass.fish
function __windlass_using
    set -l words (commandline -opc)
    set -l count (count $argv)
    test (count $words) -gt $count; or return 1
    for index in (seq $count)
        test "$words[(math $index + 1)]" = "$argv[$index]"; or return 1
    end
end
function __windlass_at_word
    test (count (commandline -opc)) -eq $argv[1]
end
complete -c windlass -f
${lines.join("\n")}
`;
}

function firstWord(word: string, summary: string): string {
  return `complete -c windlass -n '__windlass_at_word 1' -a ${word} -d ${quoted(summary)}`;
}

function commandLines(command: CompletionCommand): string[] {
  const { name, family, summary, members, options, operands } = command;
  const others = members.map((member) => `; and not __windlass_using ${name} ${member}`);
  const inCommand = `complete -c windlass -n '__windlass_using ${name}${others.join("")}'`;
  const lines = options.map(([long, option]) => `${inCommand} ${optionPart(long, option)}`);
  if (family !== undefined) {
    const word = name.slice(family.length + 1);
    const place = `'__windlass_using ${family}; and __windlass_at_word 2'`;
    lines.push(`complete -c windlass -n ${place} -a ${word} -d ${quoted(summary)}`);
  }
  // fish does not count operands for us: what any of them may be is offered at every place.
  for (const part of new Set(operands.flatMap(operandPart))) lines.push(`${inCommand} ${part}`);
  return lines;
}

function optionPart(long: string, option: OptionSpec): string {
  const short = option.short === undefined ? "" : ` -s ${option.short}`;
  const value =
    option.kind === "flag"
      ? ""
      : option.kind === "choice"
        ? ` -x -a ${quoted(option.choices.join(" "))}`
        : " -r -F";
  return `-l ${long}${short}${value} -d ${quoted(option.summary)}`;
}

function operandPart({ source, choices }: CompletionOperand): string[] {
  if (choices.length > 0) return [`-a ${quoted(choices.join(" "))}`];
  if (source === "nothing") return [];
  if (source === "files") return ["-F"];
  const words = `-a '(windlass complete-words ${source} 2>/dev/null)'`;
  return source === "images" ? [words, "-a '(__fish_complete_directories)'"] : [words];
}

function quoted(text: string): string {
  return `'${text.replace(/['\\]/g, "\\$&")}'`;
}
