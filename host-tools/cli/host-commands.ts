/** Commands about this host and about Windlass itself. Part of the command table. */
import { type CommandSpec, flag } from "./command.ts";

const json = flag("Print JSON");
const none = { operands: [], min: 0, max: 0 } as const;
const group = "Host";

export const hostCommands = {
  doctor: {
    group,
    summary: "Check what Windlass needs of this host",
    description: "Exits with 1 when something that is needed is missing.",
    ...none,
    options: { json },
    examples: ["windlass doctor"],
  },
  completion: {
    group,
    summary: "Print a completion script for a shell",
    operands: [{ usage: "bash|zsh|fish", kind: "word", choices: ["bash", "zsh", "fish"] }],
    min: 1,
    max: 1,
    options: {},
    examples: [
      "source <(windlass completion bash)",
      "windlass completion fish > ~/.config/fish/completions/windlass.fish",
    ],
  },
  version: {
    group,
    summary: "Print versions",
    ...none,
    options: { json },
    examples: ["windlass version"],
  },
  help: {
    group,
    summary: "Explain a command",
    operands: [{ usage: "[COMMAND]", kind: "command" }],
    min: 0,
    max: 2,
    options: {},
    examples: ["windlass help run"],
  },
  "complete-words": {
    group,
    summary: "Print the names that completion scripts offer",
    operands: [
      {
        usage: "instances|images|kernels",
        kind: "word",
        choices: ["instances", "templates", "checkpoints", "images", "kernels"],
      },
    ],
    min: 1,
    max: 1,
    options: {},
    examples: [],
    hidden: true,
  },
} as const satisfies Record<string, CommandSpec>;
