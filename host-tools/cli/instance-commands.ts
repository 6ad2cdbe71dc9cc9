/** Commands about instances: running programs and looking after them. Part of the command table. */
import { type CommandSpec, choice, flag, list, type Operand, text, whole } from "./command.ts";

const json = flag("Print JSON");
const instance: Operand = { usage: "NAME", kind: "instance" };
const instances: Operand = { usage: "NAME...", kind: "instance" };
const anyNumber = { operands: [instances], min: 1, max: Number.POSITIVE_INFINITY } as const;
const one = { operands: [instance], min: 1, max: 1 } as const;
const none = { operands: [], min: 0, max: 0 } as const;
const group = "Instances";

const programOptions = {
  env: list("NAME=VALUE", "Set a variable; NAME alone takes the value from here", "e"),
  workdir: text("PATH", "Working folder in the guest", "w"),
  user: text("USER", "Name or uid, perhaps with :group", "u"),
} as const;

export const instanceCommands = {
  run: {
    group,
    summary: "Start an instance of an image, a project's folder or an executable",
    description:
      "Without -d, shows the program's output until it ends and exits with its status; Ctrl-C stops " +
      "it, a second Ctrl-C kills it. With -d, waits until the program is ready and prints the id. A " +
      "folder, or an executable of this host, is built first. Words after the image are appended to the program's command; put -- " +
      "before words that begin with a dash.",
    operands: [
      { usage: "IMAGE|DIR|FILE", kind: "image" },
      { usage: "[--] [ARG...]", kind: "word" },
    ],
    min: 1,
    max: Number.POSITIVE_INFINITY,
    programFrom: 1,
    options: {
      detach: flag("Run in the background; print the id when it is ready", "d"),
      interactive: flag("Keep the program's standard input open", "i"),
      name: text("NAME", "Name of the instance; made up when left out"),
      memory: text("SIZE", "Memory: 256 (MiB), 512m or 1g; default: the image's", "m"),
      cpus: whole("N", "vCPUs; default: the image's"),
      scratch: text(
        "SIZE[:PATH]",
        "A disk that outlives a stop: 1g, 1g:/data; default: the image's",
      ),
      publish: list("[[IP:]PORT:]PORT[/udp]", "Publish a port, on 127.0.0.1 unless told", "p"),
      "publish-all": flag("Publish the ports that the image names, on free ones", "P"),
      ...programOptions,
      "env-file": list("FILE", "Read variables from a file, one a line"),
      rm: flag("Remove the instance when it has ended"),
      restart: text("POLICY", "no, always, on-failure or on-failure:N"),
      accelerator: choice(["auto", "kvm", "tcg"], "What runs the vCPUs; default auto"),
      kernel: text("FILE", "Boot this kernel in place of the image's"),
      clone: flag("Start from a template: IMAGE names one, or an image that has one"),
      cold: flag("Boot, even if there is a template of the image"),
      dhcp: flag("Let the guest ask for its address"),
      bootchart: flag("Show where the time of the start went"),
      quiet: flag("Say nothing about the start", "q"),
      json,
    },
    examples: [
      "windlass run -d --name web -p 8080:3000 hello",
      "windlass run --rm . -- --verbose",
      "windlass run --rm /usr/bin/python3 -- -c 'print(6 * 7)'",
      "windlass run -m 512m -e LOG=debug --restart on-failure:3 hello",
      "windlass run -d --clone hello-3f2a",
      "windlass run -d --cold --bootchart hello",
    ],
  },
  ps: {
    group,
    summary: "List instances",
    ...none,
    options: {
      all: flag("Also those that do not run", "a"),
      quiet: flag("Ids only", "q"),
      json,
    },
    examples: ["windlass ps -a", "windlass ps --json"],
  },
  logs: {
    group,
    summary: "Show what the program wrote",
    ...one,
    options: {
      follow: flag("Go on until the instance ends", "f"),
      tail: text("N", "Only the last N lines; or all", "n"),
      since: text("TIME", "Not older than 10m, a Unix time or an ISO 8601 time"),
      timestamps: flag("Put the time before every line", "t"),
      json,
    },
    examples: ["windlass logs -f web", "windlass logs --tail 20 --since 10m web"],
  },
  exec: {
    group,
    summary: "Run a command in the guest",
    description: "Exits with the command's own status.",
    operands: [instance, { usage: "[--] COMMAND [ARG...]", kind: "word" }],
    min: 2,
    max: Number.POSITIVE_INFINITY,
    programFrom: 1,
    options: {
      interactive: flag("Send it our standard input", "i"),
      tty: flag("Give it a terminal", "t"),
      ...programOptions,
    },
    examples: ["windlass exec web -- node -v", "windlass exec -it web node"],
  },
  cp: {
    group,
    summary: "Copy files to or from a guest",
    description:
      "One of the two is NAME:PATH. As with docker cp: into a folder that exists, otherwise under " +
      'the new name; SRC/. means what is in the folder; "-" is a tar stream.',
    operands: [
      { usage: "SRC", kind: "file" },
      { usage: "DST", kind: "file" },
    ],
    min: 2,
    max: 2,
    options: { quiet: flag("Do not say what was copied", "q"), json },
    examples: [
      "windlass cp config.json web:/tmp/",
      "windlass cp web:/app/data ./backup",
      "windlass cp web:/app - | tar t",
    ],
  },
  attach: {
    group,
    summary: "Show the program's output from now on, and send it input",
    description: "Ctrl-C leaves the program running.",
    ...one,
    options: { "no-stdin": flag("Do not send it our standard input") },
    examples: ["windlass attach web"],
  },
  stop: {
    group,
    summary: "End instances: the program first, then the machine",
    ...anyNumber,
    options: { time: whole("SECONDS", "For the program to end by itself; default 10", "t"), json },
    examples: ["windlass stop web", "windlass stop -t 30 web worker"],
  },
  start: {
    group,
    summary: "Start instances that do not run",
    ...anyNumber,
    options: { attach: flag("Show the program's output, as run does", "a"), json },
    examples: ["windlass start web", "windlass start -a job"],
  },
  restart: {
    group,
    summary: "Stop instances, if they run, and start them",
    ...anyNumber,
    options: { time: whole("SECONDS", "For the program to end by itself; default 10", "t"), json },
    examples: ["windlass restart web"],
  },
  kill: {
    group,
    summary: "Send a signal to the program; SIGKILL ends the machine",
    ...anyNumber,
    options: { signal: text("SIGNAL", "SIGHUP, HUP, 1 or RTMIN+3; default SIGKILL", "s"), json },
    examples: ["windlass kill web", "windlass kill -s HUP web"],
  },
  rm: {
    group,
    summary: "Remove instances",
    ...anyNumber,
    options: { force: flag("Kill those that run", "f"), json },
    examples: ["windlass rm web", "windlass rm -f web worker"],
  },
  inspect: {
    group,
    summary: "Show everything about instances or images, as JSON",
    ...anyNumber,
    options: {
      tokens: flag("With the agent's bearer tokens"),
      json: flag("Accepted; the output is JSON always"),
    },
    examples: ["windlass inspect web", "windlass inspect --tokens web"],
  },
  wait: {
    group,
    summary: "Wait until instances have ended; print their exit statuses",
    ...anyNumber,
    options: { json },
    examples: ["windlass wait job"],
  },
  stats: {
    group,
    summary: "Show what instances use, again and again",
    operands: [{ usage: "[NAME...]", kind: "instance" }],
    min: 0,
    max: Number.POSITIVE_INFINITY,
    options: { "no-stream": flag("Once only"), json },
    examples: ["windlass stats", "windlass stats --no-stream --json web"],
  },
  events: {
    group,
    summary: "Show what happens to instances",
    ...none,
    options: {
      since: text("TIME", "Begin with the past: 10m, a Unix time or an ISO 8601 time"),
      until: text("TIME", "End then"),
      json,
    },
    examples: ["windlass events", "windlass events --since 1h --until 0s"],
  },
  top: {
    group,
    summary: "Show the threads in the guest, the busiest first",
    ...one,
    options: { json },
    examples: ["windlass top web"],
  },
  port: {
    group,
    summary: "Show published ports",
    operands: [instance, { usage: "[PORT[/udp]]", kind: "word" }],
    min: 1,
    max: 2,
    options: { json },
    examples: ["windlass port web", "windlass port web 3000"],
  },
  api: {
    group,
    summary: "Call the agent's REST API",
    description:
      'Prints the reply\'s body as it came. BODY is sent as JSON; "-" takes it from standard input.',
    operands: [
      instance,
      { usage: "METHOD", kind: "word", choices: ["GET", "POST", "PUT", "DELETE"] },
      { usage: "PATH", kind: "word" },
      { usage: "[BODY]", kind: "word" },
    ],
    min: 3,
    max: 4,
    options: {},
    examples: ["windlass api web GET /os/version", "windlass api web GET /v1/stats"],
  },
} as const satisfies Record<string, CommandSpec>;
