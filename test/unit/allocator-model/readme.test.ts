/** What the model's README shows is what comes out: its example of the API, and the commands that always print the same. */
import { spawnSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { suite } from "../../support/suite.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

const ROOT = join(import.meta.dirname, "../../..");
const TSX = import.meta.resolve("tsx");
const readme = await readFile(join(ROOT, "allocator-model/README.md"), "utf8");

const test = suite("README of the allocator model", { timeoutMs: 60_000 });

function run(file: string, ...args: string[]): string {
  const all = ["--import", TSX, file, ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, all, {
    cwd: ROOT,
    encoding: "utf8",
  });
  assert.is(status, 0, stderr);
  return stdout;
}

test("its example prints what stands below it", async () => {
  const [, code = "", output] =
    /^```ts\n([\s\S]*?)^```\n\n```\n([\s\S]*?)^```$/m.exec(readme) ?? [];
  const index = JSON.stringify(join(ROOT, "allocator-model/index.ts"));
  await using folder = await temporaryFolder();
  const file = folder.file("example.mts");
  await writeFile(file, code.replace('"windlass/allocator"', index));
  assert.is(run(file), output);
});

const consoles = [...readme.matchAll(/^```console\n([\s\S]*?)^```$/gm)].map(([, text]) => text);
const commands = consoles.flatMap((text) => text?.split(/^\$ windlass /m).slice(1) ?? []);
/** The others have times in them, or need a compiler. */
const sames = commands.filter((text) => /^alloc (explain|replay|map) /.test(text));

test("has each command once", () => {
  const names = commands.map((text) => text.split(" ")[1]);
  assert.equal(names, ["explain", "replay", "map", "compare", "record"]);
});

for (const text of sames) {
  const [line = ""] = text.split("\n", 1);
  test(`shows what "windlass ${line}" prints`, () => {
    const [, command = "", filter, count] = /^(.*?)(?: \| (head|tail) -n (\d+))?$/.exec(line) ?? [];
    const printed = run(join(ROOT, "host-tools/cli/main.ts"), ...command.split(" "));
    const lines = printed.trimEnd().split("\n");
    const begin = filter === "tail" ? -Number(count) : 0;
    const shown = lines.slice(begin, filter === "head" ? Number(count) : undefined);
    assert.is(text, `${line}\n${shown.join("\n")}\n`);
  });
}

test.run();
