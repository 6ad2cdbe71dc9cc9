/** Commands that run conformance suites. Part of the command table. */
import { type CommandSpec, choice, flag, list, text, whole } from "./command.ts";

const group = "Conformance";

export const conformanceCommands = {
  "conformance run": {
    group,
    summary: "Run conformance suites, and print the verdicts",
    description:
      'Suites are "runtime" (what programs of each runtime may expect) and "symlink" (symbolic links, on each file system); default: all. An image is made into an instance for the run. Programs are built on this host: a row that lacks a compiler says which package has it. Exits with 1 unless every verdict is as expected: a pass, or a difference that is explained.',
    operands: [{ usage: "[SUITE]", kind: "word", choices: ["runtime", "symlink"] }],
    min: 0,
    max: 1,
    options: {
      on: list("TARGET", "host, an instance or an image; may be repeated; default: host"),
      case: list("PATTERN", "Only these cases: fs.*; may be repeated"),
      row: list("PATTERN", "Only these rows: c-*; may be repeated"),
      format: choice(["text", "json", "junit", "html"], "Default: text"),
      json: flag("Short for --format json"),
      verbose: flag("As text, every case of a long suite and every expected difference"),
      output: text("FILE", "Write the verdicts there", "o"),
      memory: text("SIZE", "Memory of an image's instance; default: 1g", "m"),
      cpus: whole("N", "vCPUs of an image's instance; default: 2"),
      accelerator: choice(["auto", "kvm", "tcg"], "What runs the vCPUs; default auto"),
      quiet: flag("No progress", "q"),
    },
    examples: [
      "windlass conformance run runtime",
      "windlass conformance run --on host --on hello-http --format html -o matrix.html",
      "windlass conformance run runtime --on web --row node --case 'tcp.*'",
    ],
  },
  "conformance ls": {
    group,
    summary: "List suites with their rows, or the cases of one",
    operands: [{ usage: "[SUITE]", kind: "word", choices: ["runtime", "symlink"] }],
    min: 0,
    max: 1,
    options: { json: flag("Print JSON") },
    examples: ["windlass conformance ls", "windlass conformance ls runtime"],
  },
} as const satisfies Record<string, CommandSpec>;
