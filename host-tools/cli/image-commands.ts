/** Commands about images and kernels. Part of the command table. */
import { RUNTIME_NAMES } from "../../image-builder/runtimes/runtime.ts";
import { type CommandSpec, choice, flag, list, type Operand, text } from "./command.ts";

const json = flag("Print JSON");
const image: Operand = { usage: "IMAGE", kind: "image" };
const none = { operands: [], min: 0, max: 0 } as const;
const group = "Images";

export const imageCommands = {
  build: {
    group,
    summary: "Build an image from a project's folder, or from an executable",
    description:
      "A folder says by its files what it is: package.json, windlass.yaml, go.mod, ...; see the README. An " +
      "executable, or a script that begins with #!, is taken with all that it loads.",
    operands: [{ usage: "[DIR|FILE]", kind: "file" }],
    min: 0,
    max: 1,
    options: {
      from: text("SOURCE", "Container image: oci-layout:DIR, docker-archive:FILE, HOST/NAME"),
      tag: list("NAME", "Name of the image, perhaps with :TAG; default: the project's", "t"),
      kernel: text("RELEASE|FILE", "Kernel of the image; default: the current one"),
      trace: list("CMD", "Run a command here, and take along the files that it opens"),
      quiet: flag("Print the id only", "q"),
      json,
    },
    examples: [
      "windlass build",
      "windlass build ./server -t shop:2",
      "windlass build /usr/bin/redis-server",
      "windlass build --from docker-archive:shop.tar -t shop",
    ],
  },
  init: {
    group,
    summary: "Write a starter: the files of a new project",
    description: "Nothing that is there is overwritten. The name is that of the folder.",
    operands: [{ usage: "[DIR]", kind: "file" }],
    min: 0,
    max: 1,
    options: {
      runtime: choice(RUNTIME_NAMES, "What runs the program; default: node"),
      name: text("NAME", "Name of the image"),
      json,
    },
    examples: ["windlass init shop", "windlass init --runtime python shop"],
  },
  "runtime ls": {
    group,
    summary: "List what can run programs, and whether this host has it",
    ...none,
    options: { json },
    examples: ["windlass runtime ls"],
  },
  "runtime describe": {
    group,
    summary: "Show what an image has of a runtime, its manifest and its limits",
    operands: [{ usage: "RUNTIME", kind: "word", choices: RUNTIME_NAMES }],
    min: 1,
    max: 1,
    options: { json },
    examples: ["windlass runtime describe python"],
  },
  images: {
    group,
    summary: "List images",
    ...none,
    options: { quiet: flag("Ids only", "q"), json },
    examples: ["windlass images"],
  },
  rmi: {
    group,
    summary: "Remove images",
    operands: [{ usage: "IMAGE...", kind: "image" }],
    min: 1,
    max: Number.POSITIVE_INFINITY,
    options: { force: flag("Also when instances use it; they keep its content", "f"), json },
    examples: ["windlass rmi hello"],
  },
  "image ls": {
    group,
    summary: "List the files of an image",
    operands: [image, { usage: "[PATH]", kind: "word" }],
    min: 1,
    max: 2,
    options: { long: flag("With modes and sizes", "l"), json },
    examples: ["windlass image ls -l hello /app"],
  },
  "image cat": {
    group,
    summary: "Print a file of an image",
    operands: [image, { usage: "PATH", kind: "word" }],
    min: 2,
    max: 2,
    options: {},
    examples: ["windlass image cat hello /app/package.json"],
  },
  "image inspect": {
    group,
    summary: "Show everything about images, as JSON",
    operands: [{ usage: "IMAGE...", kind: "image" }],
    min: 1,
    max: Number.POSITIVE_INFINITY,
    options: {
      materials: flag("The bill of materials (CycloneDX) in place of the configuration"),
      json: flag("Accepted; the output is JSON always"),
    },
    examples: ["windlass image inspect hello", "windlass image inspect --materials hello"],
  },
  prune: {
    group,
    summary: "Remove what no image and no instance needs",
    ...none,
    options: { instances: flag("First remove all instances that do not run"), json },
    examples: ["windlass prune", "windlass prune --instances"],
  },
  "kernel add": {
    group,
    summary: "Take in a kernel: Debian's cloud kernel, a package or a file",
    description:
      '"debian" downloads the package with apt and unpacks it; nothing is installed. A file is a ' +
      ".deb package, a bzImage or an ELF kernel.",
    operands: [{ usage: "debian|FILE", kind: "file", choices: ["debian"] }],
    min: 1,
    max: 1,
    options: { json },
    examples: ["windlass kernel add debian", "windlass kernel add ./vmlinuz"],
  },
  "kernel build": {
    group,
    summary: "Build a kernel for virtual machines only, and use it from now on",
    description:
      "Downloads Debian's kernel source with apt and compiles it without modules; it starts faster than " +
      "Debian's kernel. Takes some minutes and 2 GiB of disk, once: the same source, configuration and " +
      "compiler are not built again. Images that are built afterwards have it.",
    ...none,
    options: { json },
    examples: ["windlass kernel build"],
  },
  "kernel ls": {
    group,
    summary: "List kernels",
    ...none,
    options: { json },
    examples: ["windlass kernel ls"],
  },
  "kernel use": {
    group,
    summary: "Choose the kernel of images that name none",
    operands: [{ usage: "RELEASE", kind: "kernel" }],
    min: 1,
    max: 1,
    options: { json },
    examples: ["windlass kernel use 6.1.0-18-cloud-amd64"],
  },
  "kernel rm": {
    group,
    summary: "Remove a kernel that is not the current one",
    description: "Images that were built with it keep their copy.",
    operands: [{ usage: "RELEASE", kind: "kernel" }],
    min: 1,
    max: 1,
    options: { json },
    examples: ["windlass kernel rm 6.1.0-18-cloud-amd64"],
  },
} as const satisfies Record<string, CommandSpec>;
