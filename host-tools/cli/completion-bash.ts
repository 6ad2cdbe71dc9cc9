/** The completion script for bash. Pure. */
import type { OptionSpec } from "./command.ts";
import { type CompletionCommand, completionCommands, topWords } from "./completion-model.ts";

export function bashCompletion(): string {
  const commands = completionCommands();
  const families = [...new Set(commands.flatMap(({ family }) => family ?? []))];
  return `# bash completion of windlass; load it with: source <(windlass completion bash)
_windlass() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD - 1]}"
  local command="\${COMP_WORDS[1]}" first=2 count=0 index words=""
  local options="" values="" kinds=()
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W ${quoted(topWords(commands))} -- "$current"))
    return
  fi
  case "$command" in
${families.map((family) => familyCase(family, commands)).join("\n")}
  esac
  case "$command" in
${commands.map(commandCase).join("\n")}
  *) return ;;
  esac
  case "$command $previous" in
${commands.flatMap(choiceCases).join("\n")}
  esac
  if [[ -n "$words" ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    return
  fi
  if [[ " $values " == *" $previous "* ]]; then
    COMPREPLY=($(compgen -f -- "$current"))
    return
  fi
  if [[ "$current" == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
    return
  fi
  for ((index = first; index < COMP_CWORD; index++)); do
    if [[ " $values " == *" \${COMP_WORDS[index]} "* ]]; then
      ((index++))
    elif [[ "\${COMP_WORDS[index]}" != -* ]]; then
      ((count++))
    fi
  done
  ((\${#kinds[@]} == 0)) && return
  ((count >= \${#kinds[@]})) && count=$((\${#kinds[@]} - 1))
  case "\${kinds[count]}" in
  instances | templates | checkpoints | images | kernels)
    words="$(windlass complete-words "\${kinds[count]}" 2>/dev/null)"
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    [[ "\${kinds[count]}" == images ]] && COMPREPLY+=($(compgen -d -- "$current"))
    ;;
  files) COMPREPLY=($(compgen -f -- "$current")) ;;
  words:*) COMPREPLY=($(compgen -W "\${kinds[count]#words:}" -- "$current")) ;;
  esac
}
complete -o filenames -o bashdefault -F _windlass windlass
`;
}

function familyCase(family: string, commands: readonly CompletionCommand[]): string {
  const members = commands.filter((command) => command.family === family);
  const words = members.map(({ name }) => name.slice(family.length + 1));
  const itself = commands.find(({ name }) => name === family);
  const guard = itself ? ' && [[ "$current" != -* ]]' : "";
  const names = itself?.operands.map(
    ({ source }) => `\n      words+=" $(windlass complete-words ${source} 2>/dev/null)"`,
  );
  return `  ${family})
    if ((COMP_CWORD == 2))${guard}; then
      words=${quoted(words)}${names?.join("") ?? ""}
      COMPREPLY=($(compgen -W "$words" -- "$current"))
      return
    fi
    case "\${COMP_WORDS[2]}" in
    ${words.join(" | ")})
      command+=" \${COMP_WORDS[2]}"
      first=3
      ;;
    esac
    ;;`;
}

function commandCase({ name, options, operands }: CompletionCommand): string {
  const names = options.flatMap(([long, option]) => optionNames(long, option));
  const values = options.flatMap(([long, option]) =>
    option.kind === "flag" ? [] : optionNames(long, option),
  );
  const kinds = operands.map(({ source, choices }) =>
    choices.length > 0 ? `"words:${choices.join(" ")}"` : source,
  );
  return `  "${name}")
    options=${quoted([...names, "--help"])}
    values=${quoted(values)}
    kinds=(${kinds.join(" ")})
    ;;`;
}

function choiceCases({ name, options }: CompletionCommand): string[] {
  return options.flatMap(([long, option]) =>
    option.kind === "choice" ? [`  "${name} --${long}") words=${quoted(option.choices)} ;;`] : [],
  );
}

function optionNames(long: string, { short }: OptionSpec): string[] {
  return [`--${long}`, ...(short === undefined ? [] : [`-${short}`])];
}

function quoted(words: readonly string[]): string {
  return `"${words.join(" ")}"`;
}
