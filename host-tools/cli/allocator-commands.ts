/** Commands about the allocator model. Part of the command table. */
import { type CommandSpec, choice, flag, text, whole } from "./command.ts";

const group = "Allocator model";

export const allocatorCommands = {
  "alloc explain": {
    group,
    summary: "Say what addresses mean: allocator, physical page, place in it",
    description:
      "The address space is that of OSv's issue 87 (proposal), where bits 46 to 44 name the allocator; of OSv as it is; or of OSv before. With a trace, the model is asked what the trace asks, and also said is what is there then: the object, or the last one; its page; and what free(3) would do.",
    operands: [{ usage: "ADDRESS...", kind: "word" }],
    min: 1,
    max: Number.POSITIVE_INFINITY,
    options: {
      scheme: choice(["proposal", "osv", "offset-2013"], "Whose addresses; default: proposal"),
      trace: text("TRACE", "Look into memory then: a file as for replay, or workload:NAME"),
      at: text("TIME", "PEAK of the footprint, END, or N% of the trace; default: END"),
      pages: whole("N", "Pages of 4 KiB, with a trace; default: so many that nothing fails"),
      json: flag("Print JSON"),
    },
    examples: [
      "windlass alloc explain 0xffffa00012345800",
      "windlass alloc explain --trace workload:mstress --at 50% 0xffffa00000012800",
      "windlass alloc explain --scheme osv 0x600012345800",
    ],
  },
  "alloc record": {
    group,
    summary: "Record what a program of this host asks of its allocator",
    description:
      "Runs the program to its end, or until Ctrl-C, with a library before its allocator, and writes a trace. One process is recorded, not its children: have a server run in the foreground. Needs a C compiler.",
    operands: [
      { usage: "[--] PROGRAM", kind: "file" },
      { usage: "[ARG...]", kind: "word" },
    ],
    min: 1,
    max: Number.POSITIVE_INFINITY,
    programFrom: 0,
    options: {
      output: text("FILE", "Where the trace goes (.wlat)", "o"),
      operations: whole("N", "Leave out what follows so many; default: 1000000"),
    },
    examples: ["windlass alloc record -o sqlite.wlat -- sqlite3 :memory: 'select 1'"],
  },
  "alloc replay": {
    group,
    summary: "Ask the model what a trace asks, and say what memory it took",
    description:
      "TRACE is a .wlat file, or the output of ltrace, of glibc's mtrace or of OSv's trace.py. Figures are those when the footprint was largest.",
    operands: [{ usage: "TRACE", kind: "file" }],
    min: 1,
    max: 1,
    options: {
      scheme: choice(["all", "proposal", "osv", "offset-2013"], "Whose rules; default: all"),
      cpus: whole("N", "CPUs that the threads run on; default: one for each"),
      pages: whole("N", "Pages of 4 KiB; default: so many that nothing fails"),
      json: flag("Print JSON, with the footprint over time"),
    },
    examples: [
      "windlass alloc replay server.wlat",
      "windlass alloc replay --scheme osv mtrace.txt",
    ],
  },
  "alloc compare": {
    group,
    summary: "Compare the memory that allocators take for the same requests",
    description:
      "The schemes are those of the model; glibc, jemalloc, tcmalloc and mimalloc are this host's, and need a C compiler. TRACE is what \"alloc replay\" takes, or a workload's name. Figures are those when the footprint was largest: OF REQUESTED is by the most bytes that were ever asked for at a time. A scheme's time is the model's: it says nothing beside those of real allocators.",
    operands: [{ usage: "TRACE|workload:NAME...", kind: "file" }],
    min: 0,
    max: Number.POSITIVE_INFINITY,
    options: {
      allocators: text("NAME,...", "Only these; default: all"),
      list: flag("List the workloads"),
      json: flag("Print JSON"),
    },
    examples: [
      "windlass alloc compare workload:network-buffers",
      "windlass alloc compare --allocators osv,proposal,jemalloc server.wlat workload:larson",
    ],
  },
  "alloc map": {
    group,
    summary: "Show who has which page of memory, as text or for a browser",
    description:
      "TRACE is a file as for replay, or workload:NAME. Without -o the map is printed, one letter a page; with it, a file is written that any browser opens, with all points of time in it.",
    operands: [{ usage: "TRACE", kind: "file" }],
    min: 1,
    max: 1,
    options: {
      scheme: choice(["proposal", "osv", "offset-2013"], "Whose rules; default: proposal"),
      at: text("TIME", "PEAK of the footprint, END, or N% of the trace; default: PEAK"),
      width: whole("N", "Pages a line of the printed map; default: 64"),
      output: text("FILE", "Write a page for a browser (.html)", "o"),
      samples: whole("N", "Points of time that are looked at; default: 200"),
      pages: whole("N", "Pages of 4 KiB; default: so many that nothing fails"),
      json: flag("Print JSON, with all pages as runs of the same owner"),
    },
    examples: [
      "windlass alloc map workload:mstress",
      "windlass alloc map server.wlat --scheme osv --at 50%",
      "windlass alloc map server.wlat -o map.html",
    ],
  },
} as const satisfies Record<string, CommandSpec>;
