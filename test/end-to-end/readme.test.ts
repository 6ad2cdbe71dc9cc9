/** Runs every `sh` block of the README, in order, as a reader would. */
import { execFile } from "node:child_process";
import { mkdir, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import * as assert from "uvu/assert";
import { MACHINE_TIMEOUT_MS, suite } from "../support/suite.ts";
import { type CliHome, cliHome } from "./cli-home.ts";

const root = join(import.meta.dirname, "../..");
const readme = await readFile(join(root, "README.md"), "utf8");
const blocks = [...readme.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block = ""]) => block);

let home: CliHome;
let folder: string;
const test = suite("README", {
  timeoutMs: MACHINE_TIMEOUT_MS,
  setup: async () => {
    home = await cliHome({ empty: true });
    folder = join(home.folder, "reader");
    await mkdir(folder);
    await symlink(join(root, "examples"), join(folder, "examples"));
  },
  teardown: () => home[Symbol.asyncDispose](),
});

test("has commands to run", () => {
  assert.ok(blocks.length >= 7, `${blocks.length} blocks`);
});

for (const block of blocks) {
  const [first = ""] = block.split("\n");
  test(`its commands work: ${first} ...`, async ({ signal }) => {
    const script = `set -euo pipefail\n${block}`;
    const options = { cwd: folder, env: home.environment, signal };
    await promisify(execFile)("bash", ["-c", script], options).catch((error) => {
      throw new Error(`${error.message}\n${error.stdout}\n${error.stderr}`);
    });
  });
}

test.run();
