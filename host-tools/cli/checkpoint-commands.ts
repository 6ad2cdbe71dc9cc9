/** Commands about machines that stand still, or go on from where they were. Part of the command table. */
import { type CommandSpec, flag, list, type Operand, text } from "./command.ts";

const json = flag("Print JSON");
const instances: Operand = { usage: "NAME...", kind: "instance" };
const checkpoints: Operand = { usage: "CHECKPOINT...", kind: "checkpoint" };
const anyNumber = { min: 1, max: Number.POSITIVE_INFINITY } as const;

export const checkpointCommands = {
  suspend: {
    group: "Instances",
    summary: "Stop machines where they are; they stay in memory",
    operands: [instances],
    ...anyNumber,
    options: { json },
    examples: ["windlass suspend web"],
  },
  resume: {
    group: "Instances",
    summary: "Let suspended machines go on, with their clocks right",
    operands: [instances],
    ...anyNumber,
    options: { json },
    examples: ["windlass resume web"],
  },
  checkpoint: {
    group: "Checkpoints",
    summary: "Save a whole machine, memory and scratch disk; it goes on",
    description:
      "The machine stands still while its memory is written. An instance whose name is also a word " +
      'of a command, such as ls, is reached with "windlass checkpoint -- ls".',
    operands: [{ usage: "NAME", kind: "instance" }],
    min: 1,
    max: 1,
    options: {
      tag: text("NAME", "Name of the checkpoint; made of the instance's when left out", "t"),
      quiet: flag("Print the id only", "q"),
      json,
    },
    examples: ["windlass checkpoint web", "windlass checkpoint web -t before-upgrade"],
  },
  restore: {
    group: "Checkpoints",
    summary: "Start an instance that goes on where a checkpoint was taken",
    description:
      "It is an instance of its own. Its name and its ports are those of the one that was saved, if " +
      "they are free.",
    operands: [{ usage: "CHECKPOINT", kind: "checkpoint" }],
    min: 1,
    max: 1,
    options: {
      name: text("NAME", "Name of the instance"),
      publish: list("[[IP:]PORT:]PORT[/udp]", "In place of the saved instance's ports", "p"),
      quiet: flag("Print the id only", "q"),
      json,
    },
    examples: ["windlass restore before-upgrade", "windlass restore before-upgrade --name web2"],
  },
  "checkpoint ls": {
    group: "Checkpoints",
    summary: "List checkpoints",
    operands: [],
    min: 0,
    max: 0,
    options: { quiet: flag("Ids only", "q"), json },
    examples: ["windlass checkpoint ls"],
  },
  "checkpoint inspect": {
    group: "Checkpoints",
    summary: "Show everything about checkpoints, as JSON",
    operands: [checkpoints],
    ...anyNumber,
    options: { json: flag("Accepted; the output is JSON always") },
    examples: ["windlass checkpoint inspect before-upgrade"],
  },
  "checkpoint rm": {
    group: "Checkpoints",
    summary: "Remove checkpoints; what was restored from them goes on",
    operands: [checkpoints],
    ...anyNumber,
    options: { json },
    examples: ["windlass checkpoint rm before-upgrade"],
  },
} as const satisfies Record<string, CommandSpec>;
