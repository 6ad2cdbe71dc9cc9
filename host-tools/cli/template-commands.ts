/** Commands about templates and clones. Part of the command table. */
import { type CommandSpec, choice, flag, list, text, whole } from "./command.ts";

const json = flag("Print JSON");
const group = "Templates";

export const templateCommands = {
  "template create": {
    group,
    summary: "Save a started machine, to start clones of it at once",
    description:
      "An image is started for it and ended when it is saved; an instance that runs goes on. The " +
      "machine is saved when its program is ready and has answered some requests. From then on " +
      '"windlass run IMAGE" uses it by itself when the options allow it.',
    operands: [{ usage: "IMAGE|INSTANCE", kind: "image" }],
    min: 1,
    max: 1,
    options: {
      tag: text("NAME", "Name of the template; made of the image's when left out", "t"),
      memory: text("SIZE", "Memory: 256 (MiB), 512m or 1g; default: the image's", "m"),
      cpus: whole("N", "vCPUs; default: the image's"),
      env: list("NAME=VALUE", "Set a variable; NAME alone takes the value from here", "e"),
      "warm-up": text("PATH|no", "What the program is asked for before; default: /"),
      accelerator: choice(["auto", "kvm", "tcg"], "What runs the vCPUs; default auto"),
      quiet: flag("Print the id only", "q"),
      json,
    },
    examples: ["windlass template create hello", "windlass template create web -t web-warm"],
  },
  "template ls": {
    group,
    summary: "List templates",
    operands: [],
    min: 0,
    max: 0,
    options: { quiet: flag("Ids only", "q"), json },
    examples: ["windlass template ls"],
  },
  "template inspect": {
    group,
    summary: "Show everything about templates, as JSON",
    operands: [{ usage: "TEMPLATE...", kind: "template" }],
    min: 1,
    max: Number.POSITIVE_INFINITY,
    options: { json: flag("Accepted; the output is JSON always") },
    examples: ["windlass template inspect hello-3f2a"],
  },
  "template rm": {
    group,
    summary: "Remove templates; their clones go on",
    operands: [{ usage: "TEMPLATE...", kind: "template" }],
    min: 1,
    max: Number.POSITIVE_INFINITY,
    options: { json },
    examples: ["windlass template rm hello-3f2a"],
  },
  fork: {
    group,
    summary: "Make copies of an instance that runs, memory and all",
    description:
      "The instance stands still while it is copied, and goes on. Every copy is a machine of its own: " +
      "name, id, tokens, network address, entropy, ports. Published ports get free ports of the host.",
    operands: [{ usage: "NAME", kind: "instance" }],
    min: 1,
    max: 1,
    options: {
      number: whole("N", "How many; default 1", "n"),
      name: text("NAME", "Of the copy; with -n, NAME-1, NAME-2 and so on"),
      publish: list("[[IP:]PORT:]PORT[/udp]", "In place of the instance's ports", "p"),
      quiet: flag("Print the ids only", "q"),
      json,
    },
    examples: ["windlass fork web", "windlass fork web -n 20 --name web-copy"],
  },
} as const satisfies Record<string, CommandSpec>;
