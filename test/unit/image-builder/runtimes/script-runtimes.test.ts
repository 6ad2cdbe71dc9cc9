/** Deno, Bun and WebAssembly: what is run. */
import { execFileSync } from "node:child_process";
import { readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { ImageError } from "../../../../image-builder/errors.ts";
import { loadManifest } from "../../../../image-builder/manifest/manifest-file.ts";
import { withoutComments } from "../../../../image-builder/runtimes/deno-runtime.ts";
import { wordsAfter } from "../../../../image-builder/runtimes/installed-runtime.ts";
import type { RuntimeProject } from "../../../../image-builder/runtimes/runtime.ts";
import { loadRuntime } from "../../../../image-builder/runtimes/runtimes.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const EXAMPLES = join(import.meta.dirname, "../../../../examples");
const test = suite("deno, bun and wasm runtimes");

/** What a build has of a folder with these files. */
async function collected(
  runtime: "deno" | "bun" | "wasm",
  files: Readonly<Record<string, string | Uint8Array>>,
  script?: string,
): Promise<RuntimeProject> {
  await using folder = await temporaryFolder();
  await using bin = await temporaryFolder();
  for (const [name, text] of Object.entries(files)) await writeFile(folder.file(name), text);
  // Stands for the runtime: it is asked for its version only.
  const executable = bin.file(runtime);
  if (script === undefined) await symlink(process.execPath, executable);
  else await writeFile(executable, script, { mode: 0o755 });
  const { PATH } = process.env;
  process.env["PATH"] = `${bin.path}:${PATH}`;
  try {
    const loaded = await loadRuntime(runtime);
    if (!loaded) throw new Error("there is no such runtime");
    const manifest = await loadManifest(folder.path);
    return await loaded.collect({ root: folder.path, manifest, cacheDirectory: folder.path });
  } finally {
    process.env["PATH"] = PATH;
  }
}

async function refusal(made: Promise<unknown>): Promise<string> {
  return await made.then(
    () => "",
    (error: ImageError) => `${error.code}: ${error.message}`,
  );
}

test("Deno runs tasks.start, else the usual files", async () => {
  const config = '{ // how\n "tasks": { "start": "deno run -N main.ts", }, /* end */ }';
  const own = await collected("deno", { "deno.jsonc": config });
  assert.equal(own.argv, ["/usr/local/bin/deno", "run", "-N", "main.ts"]);
  assert.equal(own.runtime, { name: "deno", version: process.versions.node });
  const later = '{ "tasks": { "start": { "command": "deno serve a.ts" } } }';
  assert.equal((await collected("deno", { "deno.json": later })).argv.slice(1), ["serve", "a.ts"]);
  const usual = await collected("deno", { "deno.json": "{}", "main.ts": "" });
  assert.equal(usual.argv.slice(1), ["run", "--allow-all", "/app/main.ts"]);
  assert.match(
    await refusal(collected("deno", { "deno.json": "{}" })),
    /^WL_IMAGE_PROJECT_INVALID/,
  );
});

test("Bun runs scripts.start, else module and main", async () => {
  const argv = async (json: object, file = "x.ts"): Promise<readonly string[]> =>
    (
      await collected("bun", { "bun.lock": "", "package.json": JSON.stringify(json), [file]: "" })
    ).argv.slice(1);
  assert.equal(await argv({ scripts: { start: "bun run --smol x.ts" } }), [
    "run",
    "--smol",
    "x.ts",
  ]);
  assert.equal(await argv({ scripts: { start: "tsx x.ts" }, module: "./x.ts" }), ["/app/x.ts"]);
  assert.equal(await argv({ module: "../outside.ts" }, "index.ts"), ["/app/index.ts"]);
  assert.match(await refusal(argv({})), /^WL_IMAGE_PROJECT_INVALID: No entry point/);
});

test("what npm puts in the place of an executable is none", async () => {
  const launcher = "#!/usr/bin/env node\n";
  assert.match(
    await refusal(collected("deno", { "deno.json": "{}" }, launcher)),
    /^WL_IMAGE_RUNTIME_UNAVAILABLE: .*\/deno is a script that starts Deno, not Deno itself$/,
  );
  const stub = ":\necho 'Its install script was not run' >&2\nexit 1\n";
  assert.match(
    await refusal(collected("bun", { "bun.lock": "" }, stub)),
    /^WL_IMAGE_RUNTIME_UNAVAILABLE: .*\/bun ended with status 1: Its install script was not run$/,
  );
});

test("a start script that needs a shell is refused", () => {
  const where = { file: "deno.json", key: "tasks.start" };
  assert.equal(wordsAfter("deno", "deno run 'a b.ts'", where), ["run", "a b.ts"]);
  assert.is(wordsAfter("deno", "npm start", where), undefined);
  assert.throws(() => wordsAfter("deno", "deno run a.ts && b", where), /without a shell/);
});

test("comments and trailing commas become blanks, in text they stay", () => {
  const text = '{"a": "// no /* no */,}", // yes\n"b": [1, /* , */], }';
  assert.equal(JSON.parse(withoutComments(text)), { a: "// no /* no */,}", b: [1] });
  assert.is(withoutComments("/* ".repeat(50_000)).trim(), "");
  assert.is(withoutComments('"'.repeat(50_001)).length, 50_001);
});

test("a WebAssembly module is run by Node, and only one that it can run", async () => {
  await using folder = await temporaryFolder();
  execFileSync(process.execPath, [join(EXAMPLES, "wasi-hello/make.mjs")], { cwd: folder.path });
  const module = await readFile(folder.file("hello.wasm"));
  const { argv } = await collected("wasm", { "hello.wasm": module });
  assert.equal(argv.slice(0, 2), ["/usr/local/bin/node", "--no-warnings"]);
  assert.is(argv.at(-1), "/app/hello.wasm");
  const refused = async (bytes: Uint8Array): Promise<string> =>
    await refusal(collected("wasm", { "hello.wasm": bytes }));
  assert.match(
    await refused(module.subarray(0, 100)),
    /^WL_IMAGE_BINARY_INVALID: .*no WebAssembly/,
  );
  assert.match(await refused(module.subarray(0, 8)), /exports no _start/);
  const foreign = Buffer.from(module);
  foreign.write("wasi_snapshot_preview9", foreign.indexOf("wasi_snapshot_preview1"), "latin1");
  assert.match(await refused(foreign), /imports wasi_snapshot_preview9\.fd_write/);
  assert.match(await refusal(collected("wasm", { "a.wasm": "", "b.wasm": "" })), /2 \.wasm files/);
});

test.run();
