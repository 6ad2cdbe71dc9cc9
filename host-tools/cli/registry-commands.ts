/** Commands about registries. Part of the command table. */
import { type CommandSpec, flag, type Operand, text } from "./command.ts";

const group = "Images";
const json = flag("Print JSON");
const plainHttp = flag("Speak HTTP without encryption; on loopback this needs no asking");
const host: Operand = { usage: "HOST[:PORT]", kind: "word" };

const push = {
  group,
  summary: "Send an image to a registry",
  description:
    "REF is HOST[:PORT]/NAME[:TAG]; there is no default registry. The image becomes an OCI artifact: its " +
    "configuration and one layer a part. Parts that the registry has are not sent again.",
  operands: [
    { usage: "IMAGE", kind: "image" },
    { usage: "REF", kind: "word" },
  ],
  min: 2,
  max: 2,
  options: { "plain-http": plainHttp, quiet: flag("Print the digest only", "q"), json },
} as const satisfies Omit<CommandSpec, "examples">;

const pull = {
  group,
  summary: "Fetch an image of Windlass from a registry",
  description:
    "REF is HOST[:PORT]/NAME[:TAG] or HOST[:PORT]/NAME@sha256:DIGEST. The image is the same that was pushed, with " +
    'the same id. For container images there is "windlass build --from REF".',
  operands: [{ usage: "REF", kind: "word" }],
  min: 1,
  max: 1,
  options: {
    tag: text("NAME", "Name of the image here; default: the name in the registry", "t"),
    "plain-http": plainHttp,
    quiet: flag("Print the id only", "q"),
    json,
  },
} as const satisfies Omit<CommandSpec, "examples">;

export const registryCommands = {
  push: { ...push, examples: ["windlass push shop:2 registry.example/team/shop:2"] },
  pull: { ...pull, examples: ["windlass pull registry.example/team/shop:2"] },
  "image push": { ...push, examples: ["windlass image push shop localhost:5000/shop"] },
  "image pull": { ...pull, examples: ["windlass image pull localhost:5000/shop -t shop:copy"] },
  login: {
    group,
    summary: "Keep a name and a password for a registry",
    description:
      "They are tried first, and kept in a file that only you can read. Docker's file of passwords is read, too, " +
      "where it has them itself.",
    operands: [host],
    min: 1,
    max: 1,
    options: {
      username: text("USER", "The user's name; asked for when left out", "u"),
      "password-stdin": flag("Read the password from standard input"),
      "plain-http": plainHttp,
    },
    examples: ["windlass login registry.example -u me --password-stdin"],
  },
  logout: {
    group,
    summary: "Forget the password of a registry",
    operands: [host],
    min: 1,
    max: 1,
    options: {},
    examples: ["windlass logout registry.example"],
  },
} as const satisfies Record<string, CommandSpec>;
