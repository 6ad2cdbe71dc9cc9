import { execFile, execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import * as assert from "uvu/assert";
import { commandNames, commandTable } from "../../../../host-tools/cli/command-table.ts";
import { bashCompletion } from "../../../../host-tools/cli/completion-bash.ts";
import { fishCompletion } from "../../../../host-tools/cli/completion-fish.ts";
import { zshCompletion } from "../../../../host-tools/cli/completion-zsh.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("cli/completion");
const run = promisify(execFile);

function has(program: string): boolean {
  try {
    execFileSync(program, ["-c", "exit 0"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

test("names every option of every command in every script", () => {
  for (const script of [bashCompletion(), zshCompletion(), fishCompletion()]) {
    for (const name of commandNames.filter((one) => !commandTable[one].hidden)) {
      for (const word of name.split(" ")) assert.match(script, word);
      for (const long of Object.keys(commandTable[name].options)) assert.match(script, long);
    }
    assert.not.match(script, "undefined");
  }
});

for (const [shell, script] of [
  ["bash", bashCompletion()],
  ["zsh", zshCompletion()],
  ["fish", fishCompletion()],
] as const) {
  const name = `${shell} can read its script`;
  if (!has(shell)) {
    test.skip(`${shell} is not installed`, name);
    continue;
  }
  test(name, async () => {
    await using folder = await temporaryFolder();
    await writeFile(folder.file("script"), script);
    const { stderr } = await run(shell, ["-n", folder.file("script")]);
    assert.is(stderr, "");
  });
}

/** What bash offers for a line whose last word is being typed. */
async function offered(...words: string[]): Promise<string[]> {
  const quoted = words.map((word) => `'${word}'`).join(" ");
  const script = `${bashCompletion()}
windlass() { [[ "$1 $2" == "complete-words instances" ]] && printf 'web\\nworker\\n'; }
COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}
_windlass
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await run("bash", ["-c", script]);
  return stdout.split("\n").filter((word) => word !== "");
}

test("bash offers commands, options, values and names", async () => {
  assert.ok((await offered("windlass", "")).includes("kernel"));
  assert.equal(await offered("windlass", "kernel", ""), ["add", "build", "ls", "use", "rm"]);
  assert.equal(await offered("windlass", "run", "--acc"), ["--accelerator"]);
  assert.equal(await offered("windlass", "run", "--accelerator", "t"), ["tcg"]);
  assert.equal(await offered("windlass", "stop", ""), ["web", "worker"]);
  assert.equal(await offered("windlass", "stop", "-t", "5", "we"), ["web"]);
  assert.equal(await offered("windlass", "api", "web", "P"), ["POST", "PUT"]);
  assert.equal(await offered("windlass", "completion", ""), ["bash", "zsh", "fish"]);
  assert.equal(await offered("windlass", "nonsense", ""), []);
  // A command of one word whose name begins others.
  const after = ["ls", "inspect", "rm", "web", "worker"];
  assert.equal(await offered("windlass", "checkpoint", ""), after);
  assert.equal(await offered("windlass", "checkpoint", "--q"), ["--quiet"]);
  assert.equal(await offered("windlass", "checkpoint", "-q", "we"), ["web"]);
  assert.equal(await offered("windlass", "checkpoint", "ls", "--n"), []);
});

test.run();
