/** The completion script for zsh (zshcompsys(1), _arguments). Pure. */
import type { OptionSpec } from "./command.ts";
import {
  type CompletionCommand,
  type CompletionOperand,
  completionCommands,
} from "./completion-model.ts";

export function zshCompletion(): string {
  const commands = completionCommands();
  const families = [...new Set(commands.flatMap(({ family }) => family ?? []))];
  const single = commands.filter(({ family }) => family === undefined);
  const top = [
    ...single.map(({ name, summary }) => described(name, summary)),
    ...families
      .filter((family) => !single.some(({ name }) => name === family))
      .map((family) => described(family, `Commands about ${family}s`)),
  ];
  return `#compdef windlass
# zsh completion of windlass; load it with: source <(windlass completion zsh)
_windlass_words() {
  local -a words
  words=(\${(f)"$(windlass complete-words $1 2>/dev/null)"})
  compadd -a words
}
_windlass_instances() { _windlass_words instances }
_windlass_templates() { _windlass_words templates }
_windlass_checkpoints() { _windlass_words checkpoints }
_windlass_images() { _windlass_words images; _path_files -/ }
_windlass_kernels() { _windlass_words kernels }
_windlass() {
  local -a commands
  local command=$words[2]
  if ((CURRENT == 2)); then
    commands=(
${top.map((line) => `      ${line}`).join("\n")}
    )
    _describe command commands
    return
  fi
  case $command in
${families.map((family) => familyCase(family, commands)).join("\n")}
  esac
  shift words
  ((CURRENT--))
  case $command in
${commands.map(commandCase).join("\n")}
  esac
}
if [[ $funcstack[1] == _windlass ]]; then
  _windlass "$@"
else
  compdef _windlass windlass
fi
`;
}

function familyCase(family: string, commands: readonly CompletionCommand[]): string {
  const members = commands.filter((command) => command.family === family);
  const words = members.map(({ name, summary }) =>
    described(name.slice(family.length + 1), summary),
  );
  const names = commands
    .find(({ name }) => name === family)
    ?.operands.map(({ source }) => `\n        ${ACTIONS[source]}`);
  return `    ${family})
      if ((CURRENT == 3)); then
        commands=(
${words.map((line) => `          ${line}`).join("\n")}
        )
        _describe command commands${names?.join("") ?? ""}
        return
      fi
      case $words[3] in
      ${members.map(({ name }) => name.slice(family.length + 1)).join("|")})
        command="$command $words[3]"
        shift words
        ((CURRENT--))
        ;;
      esac
      ;;`;
}

function commandCase({ name, options, operands }: CompletionCommand): string {
  const specs = [
    ...options.map(([long, option]) => optionSpec(long, option)),
    "'--help[Show help]'",
    ...operands.map((operand, index) =>
      operandSpec(operand, index === operands.length - 1 ? "*" : String(index + 1)),
    ),
  ];
  return `    '${name}')
      _arguments -s ${specs.join(" \\\n        ")}
      ;;`;
}

/** "'(-d --detach)'{-d,--detach}'[summary]'" */
function optionSpec(long: string, option: OptionSpec): string {
  const { short, summary, kind } = option;
  const repeats = kind === "list";
  const action =
    kind === "flag"
      ? ""
      : kind === "choice"
        ? `:value:(${option.choices.join(" ")})`
        : `:${escaped(option.value)}:_files`;
  const text = `[${escaped(summary)}]${action}`;
  const star = repeats ? "*" : "";
  if (short === undefined) return `'${star}--${long}${text}'`;
  const group = repeats ? "'*'" : `'(-${short} --${long})'`;
  return `${group}{-${short},--${long}}'${text}'`;
}

const ACTIONS: Record<CompletionOperand["source"], string> = {
  instances: "_windlass_instances",
  templates: "_windlass_templates",
  checkpoints: "_windlass_checkpoints",
  images: "_windlass_images",
  kernels: "_windlass_kernels",
  files: "_files",
  nothing: " ",
};

function operandSpec({ source, choices }: CompletionOperand, place: string): string {
  const action = choices.length > 0 ? `(${choices.join(" ")})` : ACTIONS[source];
  return `'${place}:${source}:${action}'`;
}

function described(word: string, summary: string): string {
  return `'${word}:${escaped(summary)}'`;
}

/** Within single quotes, in an argument of _arguments or _describe. */
function escaped(text: string): string {
  return text.replace(/[[\]:\\]/g, "\\$&").replaceAll("'", "'\\''");
}
