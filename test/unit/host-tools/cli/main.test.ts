/** The command itself, started as a shell starts it. */
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import * as assert from "uvu/assert";
import { suite } from "../../../support/suite.ts";

const MAIN = resolve(import.meta.dirname, "../../../../host-tools/cli/main.ts");
const TSX = import.meta.resolve("tsx");

const test = suite("the command", { timeoutMs: 60_000 });

function windlass(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ["--import", TSX, MAIN, ...args], { encoding: "utf8" });
}

for (const word of ["--version", "-v", "version"]) {
  test(`${word} prints versions`, () => {
    const { status, stdout, stderr } = windlass(word);
    assert.is(status, 0, stderr);
    assert.match(stdout, /^windlass \d+\.\d+\.\d+\n/);
  });
}

test("what is wrong with the words is said on standard error, with status 2", () => {
  const { status, stdout, stderr } = windlass("bulid");
  assert.is(status, 2);
  assert.is(stdout, "");
  assert.match(
    stderr,
    /error\[WL_USAGE\]: There is no command "bulid"\nnext: Did you mean "build"\?/,
  );
});

test.run();
