/** `windlass init`, `runtime ls` and `runtime describe`, with what they print. */
import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import * as assert from "uvu/assert";
import { parseCommandLine } from "../../../../host-tools/cli/command-line.ts";
import type { CommandName, OptionsOf } from "../../../../host-tools/cli/command-table.ts";
import { execute as init } from "../../../../host-tools/cli/commands/init.ts";
import { execute as describe } from "../../../../host-tools/cli/commands/runtime-describe.ts";
import {
  availabilityText,
  execute as list,
} from "../../../../host-tools/cli/commands/runtime-ls.ts";
import type { Execute } from "../../../../host-tools/cli/invocation.ts";
import { createOutput } from "../../../../host-tools/cli/output.ts";
import type { HostError } from "../../../../host-tools/errors.ts";
import type { ImageError } from "../../../../image-builder/errors.ts";
import { RUNTIME_NAMES } from "../../../../image-builder/runtimes/runtime.ts";
import type { RuntimeFacts } from "../../../../image-builder/runtimes/runtime-facts.ts";
import { suite } from "../../../support/suite.ts";
import { projectFolder } from "../../image-builder/project/project-folder.ts";

const test = suite("init and runtime commands");

/** What a command prints. @throws what it throws */
async function printed<Name extends CommandName>(
  execute: Execute<Name>,
  options: OptionsOf<Name>,
  operands: readonly string[] = [],
): Promise<string> {
  const stdout = new PassThrough();
  const output = createOutput({ stdout, stderr: new PassThrough() }, () => undefined);
  const report = (error: unknown): void => {
    throw error;
  };
  const { signal } = new AbortController();
  const interrupts = { signal, urgent: signal, abort: report };
  const status = await execute({ options, operands, output, report, ...interrupts });
  assert.is(status, 0);
  return await text(stdout.end());
}

type InitOptions = OptionsOf<"init">;
const initIn = (folder: string, options: Partial<InitOptions> = {}): Promise<string> =>
  printed(init, { runtime: undefined, name: undefined, json: false, ...options }, [folder]);

test("a Node project is written into a new folder, and the next step is told", async () => {
  await using folder = await projectFolder();
  const shop = join(folder.path, "my/Shop");
  assert.is(
    await initIn(shop),
    `${shop}/package.json\n${shop}/server.js\nNext: windlass run -p 8080 ${shop}\n`,
  );
  assert.is(JSON.parse(await readFile(join(shop, "package.json"), "utf8")).name, "shop");
});

test("a module has to be made first", async () => {
  await using folder = await projectFolder();
  assert.match(
    await initIn(folder.path, { runtime: "wasm" }),
    `Next: cd ${folder.path} && node make.mjs && windlass run --rm .\n`,
  );
});

test("executables have no starter, and the error says what to do with one", async () => {
  await using folder = await projectFolder();
  const parsed = parseCommandLine(["init", "--runtime", "native", folder.path]);
  assert.is(parsed.kind, "command");
  const error: unknown = await initIn(folder.path, { runtime: "native" }).catch((cause) => cause);
  assert.match((error as ImageError).message, "There is no starter for executables");
  assert.match((error as ImageError).facts.next ?? "", "windlass build ./program");
  assert.equal(await readdir(folder.path), []);
});

test("a name that is not the folder's, and a runtime that others hide, are in a windlass.yaml", async () => {
  await using folder = await projectFolder({ "package.json": "{}" });
  const { files } = JSON.parse(
    await initIn(folder.path, { runtime: "go", name: "shop", json: true }),
  );
  assert.equal(files, ["go.mod", "main.go", "windlass.yaml"]);
  const manifest = await readFile(join(folder.path, "windlass.yaml"), "utf8");
  assert.is(manifest, 'name: "shop"\nruntime: go\n');
});

test("nothing that is there is overwritten, and then nothing is written at all", async () => {
  await using folder = await projectFolder({
    "go.mod": "mine",
    "main.go": { link: "nowhere" },
  });
  const error = (await initIn(folder.path, { runtime: "go" }).catch((cause) => cause)) as HostError;
  assert.is(error.code, "WL_USAGE");
  assert.match(error.message, /it has go\.mod, main\.go already$/);
  assert.equal((await readdir(folder.path)).sort(), ["go.mod", "main.go"]);
  assert.is(await readFile(join(folder.path, "go.mod"), "utf8"), "mine");
  assert.is(await readlink(join(folder.path, "main.go")), "nowhere");
});

test("a name that no image can have is refused, with one that it can", async () => {
  await using folder = await projectFolder();
  const error = (await initIn(folder.path, { name: "My Shop" }).catch((e) => e)) as HostError;
  assert.is(error.code, "WL_USAGE");
  assert.is(error.facts.next, "Take another one, such as --name my-shop");
  assert.equal(await readdir(folder.path), []);
});

test("a folder that is a file is refused", async () => {
  await using folder = await projectFolder({ shop: "" });
  const error = await initIn(join(folder.path, "shop")).catch((cause) => cause);
  assert.is((error as { code?: string }).code, "WL_IMAGE_IO");
});

test("every runtime is listed, and described with its manifest", async () => {
  const all = JSON.parse(await printed(list, { json: true })) as RuntimeFacts[];
  assert.equal(
    all.map(({ name }) => name),
    RUNTIME_NAMES,
  );
  const lines = (await printed(list, { json: false })).split("\n");
  assert.match(lines[0] ?? "", /^RUNTIME +TITLE +HERE +FOLDERS WITH$/);
  const node = all.find(({ name }) => name === "node");
  assert.equal([node?.isAvailable, node?.version], [true, process.versions.node]);
  const wasm = await printed(describe, { json: false }, ["wasm"]);
  assert.match(
    wasm,
    /^WebAssembly \(wasm\)\nin the image {2}The module, .*\non this host {2}yes\n/,
  );
  assert.match(wasm, /\nwindlass\.yaml runtime: wasm\n {14}entry: hello\.wasm\nlimits {8}WASI/);
});

test("a runtime that there is not is refused", async () => {
  const error = await printed(describe, { json: false }, ["cobol"]).catch((cause) => cause);
  assert.is((error as HostError).code, "WL_USAGE");
  assert.match((error as HostError).message, 'There is no runtime "cobol"');
});

test("what is missing is told with how it is installed", () => {
  const facts = { isAvailable: false, version: null, missingPackages: [], install: null };
  const told = (changes: object): string => availabilityText({ ...facts, ...changes } as never);
  assert.is(told({ isAvailable: true, version: "1.2" }), "1.2");
  assert.is(told({ isAvailable: true }), "yes");
  assert.is(told({ missingPackages: ["ruby", "gcc"] }), "no: apt-get install ruby gcc");
  assert.is(told({ install: "npm install --global bun" }), "no: npm install --global bun");
  assert.is(told({}), "no");
});

test.run();
