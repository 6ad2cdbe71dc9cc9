import * as assert from "uvu/assert";
import type { OptionSpec } from "../../../../host-tools/cli/command.ts";
import {
  type CommandLine,
  parseCommandLine,
  usageLine,
} from "../../../../host-tools/cli/command-line.ts";
import {
  type CommandName,
  commandNames,
  commandTable,
} from "../../../../host-tools/cli/command-table.ts";
import { HostError } from "../../../../host-tools/errors.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("cli/command-line");

type Command = Extract<CommandLine, { kind: "command" }>;

function command(line: string): Command {
  const parsed = parseCommandLine(line.split(" ").filter((word) => word !== ""));
  if (parsed.kind !== "command") throw new Error(`"${line}" is ${parsed.kind}`);
  return parsed;
}

function refusal(line: string): HostError {
  try {
    parseCommandLine(line.split(" "));
  } catch (error) {
    if (error instanceof HostError && error.code === "WL_USAGE") return error;
    throw error;
  }
  throw new Error(`"${line}" was accepted`);
}

/** A value that an option takes, and what the parser makes of it. */
function valueFor(option: OptionSpec): { word: string; value: unknown } {
  switch (option.kind) {
    case "flag":
      return { word: "", value: true };
    case "text":
      return { word: "some", value: "some" };
    case "list":
      return { word: "some", value: ["some"] };
    case "whole":
      return { word: "7", value: 7 };
    case "choice":
      return { word: option.choices[0] ?? "", value: option.choices[0] };
  }
}

const operandsFor = (name: CommandName): string => "operand ".repeat(commandTable[name].min);

test("reads every option of every command, long and short", () => {
  for (const name of commandNames) {
    for (const [long, option] of Object.entries(commandTable[name].options)) {
      const { word, value } = valueFor(option);
      const spellings = [`--${long}`, ...(option.short === undefined ? [] : [`-${option.short}`])];
      for (const spelling of spellings) {
        const line = `${name} ${spelling} ${word} ${operandsFor(name)}`;
        assert.equal(command(line).options[long], value, line);
      }
    }
  }
});

test("gives options that were not given their empty value", () => {
  for (const name of commandNames) {
    const { options } = command(`${name} ${operandsFor(name)}`);
    for (const [long, { kind }] of Object.entries(commandTable[name].options)) {
      const empty = kind === "flag" ? false : kind === "list" ? [] : undefined;
      assert.equal(options[long], empty, `${name} --${long}`);
    }
  }
});

test("no command has one letter twice, or a letter that Docker's users would not expect", () => {
  const docker: Readonly<Record<string, string>> = {
    a: "all|attach",
    d: "detach",
    e: "env",
    f: "follow|force",
    i: "interactive",
    l: "long",
    m: "memory",
    n: "tail|number",
    o: "output",
    p: "publish",
    P: "publish-all",
    q: "quiet",
    s: "signal",
    t: "tag|tty|time|timestamps",
    u: "user|username",
    w: "workdir",
  };
  for (const name of commandNames) {
    const seen = new Set<string>();
    for (const [long, { short }] of Object.entries(commandTable[name].options)) {
      if (short === undefined) continue;
      assert.not(seen.has(short), `${name} -${short}`);
      seen.add(short);
      assert.ok(docker[short]?.split("|").includes(long), `${name} -${short} is --${long}`);
    }
  }
});

test("reads clusters, joined values and repeated options", () => {
  const { options, operands } = command("run -di -p8080:80 -p 53:53/udp --env=A=1 -e B hello");
  assert.is(options["detach"], true);
  assert.is(options["interactive"], true);
  assert.equal(options["publish"], ["8080:80", "53:53/udp"]);
  assert.equal(options["env"], ["A=1", "B"]);
  assert.equal(operands, ["hello"]);
});

test("takes options after the operands too", () => {
  const { options, operands } = command("run -d --name h1 -p 18080:8080 hello --json");
  assert.is(options["json"], true);
  assert.is(options["name"], "h1");
  assert.equal(operands, ["hello"]);
});

test("leaves the program's words alone", () => {
  const cases: [string, string[]][] = [
    ["run hello -- -d --json", ["hello", "-d", "--json"]],
    ["run hello serve --port 80 -d", ["hello", "serve", "--port", "80", "-d"]],
    ["run hello -- -- x", ["hello", "--", "x"]],
    ["exec web node -e 1 --json", ["web", "node", "-e", "1", "--json"]],
    ["exec web -- node -v", ["web", "node", "-v"]],
    ["exec -it web sh -c exit", ["web", "sh", "-c", "exit"]],
    ["run -- hello x", ["hello", "x"]],
  ];
  for (const [line, operands] of cases) assert.equal(command(line).operands, operands, line);
  assert.is(command("run hello -- --json").options["json"], false);
});

test("finds commands of two words", () => {
  assert.is(command("kernel add debian").name, "kernel add");
  assert.is(command("image ls hello /app").name, "image ls");
  assert.match(refusal("kernel").facts.next ?? "", "add, build, ls, use, rm");
  assert.match(refusal("kernel ad").facts.next ?? "", 'Did you mean "add"?');
});

test("says what is unknown and what is near", () => {
  assert.match(refusal("runn x").message, 'no command "runn"');
  assert.is(refusal("runn x").facts.next, 'Did you mean "run"?');
  assert.is(refusal("ps --jsn").facts.next, 'Did you mean "--json"?');
  assert.match(refusal("ps -z").message, 'no option "-z"');
  assert.match(refusal("run hello --port").facts.next ?? "", "Put -- before it");
  assert.match(refusal("run --accelerator kvn x").facts.next ?? "", '"kvm"');
  assert.match(refusal("-x").message, '"-x"');
  assert.match(refusal("toString").message, "no command");
  assert.match(refusal("ps --toString").message, "no option");
});

test("says what is missing and what is too much", () => {
  assert.match(refusal("run").facts.next ?? "", "windlass run [OPTIONS] IMAGE|DIR|FILE");
  assert.match(refusal("exec web").message, "needs 2 operands");
  assert.match(refusal("ps web").message, 'takes no "web"');
  assert.match(refusal("run --name").message, "needs a value");
  assert.match(refusal("stop -t soon web").message, "a number");
  assert.match(refusal("stop -t -1 web").message, "a number");
  assert.match(refusal("ps --json=yes").message, "takes no value");
});

test("offers help everywhere, but not in the program's words", () => {
  assert.equal(parseCommandLine([]), { kind: "help", about: undefined });
  assert.equal(parseCommandLine(["--help"]), { kind: "help", about: undefined });
  assert.equal(parseCommandLine(["kernel", "--help"]), { kind: "help", about: "kernel" });
  for (const name of commandNames) {
    for (const word of ["--help", "-h"]) {
      const line = parseCommandLine([...name.split(" "), word]);
      assert.equal(line, { kind: "help", about: name });
    }
  }
  assert.is(command("exec web node --help").operands.at(-1), "--help");
  assert.equal(parseCommandLine(["--version"]), { kind: "version" });
});

test("writes a usage line that its own examples follow", () => {
  for (const name of commandNames) {
    assert.ok(usageLine(name).startsWith(`windlass ${name}`));
    for (const example of commandTable[name].examples) {
      const words = /windlass ([^|>)]*)/.exec(example)?.[1]?.trim() ?? "";
      assert.is(command(words).name, name, example);
    }
  }
});

test("a word that begins other commands is a command as well", () => {
  assert.equal(command("checkpoint web").operands, ["web"]);
  assert.is(command("checkpoint -t ls web").options["tag"], "ls");
  assert.is(command("checkpoint ls").name, "checkpoint ls");
  const named = command("checkpoint -- ls");
  assert.is(named.name, "checkpoint");
  assert.equal(named.operands, ["ls"]);
  assert.match(
    refusal("checkpoint").facts.next ?? "",
    /^Write windlass checkpoint \[OPTIONS\] NAME$/,
  );
});

test.run();
