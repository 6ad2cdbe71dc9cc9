/** The symlink suite, on this host's kernel; and that it notices wrong expectations. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { type ProgramReport, readReport } from "../../host-tools/conformance/verdict.ts";
import { suite } from "../support/suite.ts";
import { type TemporaryFolder, temporaryFolder } from "../support/temporary-folder.ts";

const run = promisify(execFile);
let folder: TemporaryFolder;

const test = suite("symlink suite", {
  timeoutMs: 180_000,
  async setup() {
    folder = await temporaryFolder();
    await build({
      absWorkingDir: resolve(import.meta.dirname, "../.."),
      entryPoints: ["host-tools/conformance/symlink/main.ts"],
      outfile: folder.file("symlink.cjs"),
      ...{ bundle: true, format: "cjs", platform: "node", target: "node20" },
    });
    const { resolve: find } = createRequire(import.meta.url);
    const koffi = find("@koromix/koffi-linux-x64/package.json");
    await copyFile(join(koffi, "../linux_x64/koffi.node"), folder.file("koffi.node"));
  },
  teardown: () => folder[Symbol.asyncDispose](),
});

async function report(place: string, env: Record<string, string> = {}): Promise<ProgramReport> {
  const { stdout } = await run(process.execPath, [folder.file("symlink.cjs"), place], {
    env: { ...process.env, ...env },
    maxBuffer: 16 * 1024 * 1024,
  });
  const read = readReport(stdout);
  assert.deepEqual(read.problems, []);
  return read;
}

test("the file system of temporary files answers as Linux says", async () => {
  const { verdicts } = await report(folder.path);
  assert.deepEqual(
    verdicts.filter(({ verdict }) => verdict === "fail"),
    [],
  );
  assert.ok(verdicts.length > 2000, `${verdicts.length} assertions`);
});

test("no assertion passes with a wrong expectation", async () => {
  const { verdicts } = await report(folder.path, { SYMLINK_SUITE_WRONG: "1" });
  assert.deepEqual(
    verdicts.filter(({ verdict }) => verdict === "pass"),
    [],
  );
});

test.run();
