/** Commands about the allocator model. Part of the command table. */
import { type CommandSpec, choice, flag } from "./command.ts";

const group = "Allocator model";

export const allocatorCommands = {
  "alloc explain": {
    group,
    summary: "Say what addresses mean: allocator, physical page, place in it",
    description:
      "The address space is that of OSv's issue 87 (proposal), where bits 46 to 44 name the allocator; of OSv as it is; or of OSv before.",
    operands: [{ usage: "ADDRESS...", kind: "word" }],
    min: 1,
    max: Number.POSITIVE_INFINITY,
    options: {
      scheme: choice(["proposal", "osv", "offset-2013"], "Whose addresses; default: proposal"),
      json: flag("Print JSON"),
    },
    examples: [
      "windlass alloc explain 0xffffa00012345800",
      "windlass alloc explain --scheme osv 0x600012345800",
    ],
  },
} as const satisfies Record<string, CommandSpec>;
