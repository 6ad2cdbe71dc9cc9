import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as assert from "uvu/assert";
import type { ImageError } from "../../../../image-builder/errors.ts";
import { loadManifest } from "../../../../image-builder/manifest/manifest-file.ts";
import { collectProject, type Project } from "../../../../image-builder/project/project.ts";
import { suite } from "../../../support/suite.ts";
import { type Content, installed, projectFolder } from "./project-folder.ts";

const test = suite("TypeScript bundle");

async function collect(files: Record<string, Content>): Promise<Project> {
  await using folder = await projectFolder(files);
  return await collectProject(folder.path, await loadManifest(folder.path));
}

/** Writes the project's entries out and runs its script with this node. */
async function run(project: Project): Promise<string> {
  await using guest = await projectFolder();
  for (const entry of project.entries) {
    if (entry.kind !== "file" || entry.source.kind !== "bytes") continue;
    const path = join(guest.path, entry.path);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, entry.source.bytes);
  }
  const args = project.argv.slice(1).map((word) => word.replace(/^\/app/, join(guest.path, "app")));
  return execFileSync(process.execPath, args, { encoding: "utf8" }).trim();
}

const paths = (project: Project): string[] =>
  project.entries.filter(({ kind }) => kind === "file").map(({ path }) => path);

test("becomes one file where the entry was, and leaves the sources out", async () => {
  const project = await collect({
    "package.json": { json: { type: "module", scripts: { start: "tsx src/main.ts" } } },
    "tsconfig.json": { json: { compilerOptions: { paths: { "@/*": ["./src/*"] } } } },
    "src/main.ts": `import { greet } from "@/deep/greet.ts"; console.log(greet("you"), import.meta.url.slice(-8));`,
    "src/deep/greet.ts": "export const greet = (who: string): string => 'hello ' + who;",
    "src/asset.txt": "",
  });
  assert.equal(project.argv, ["/usr/local/bin/node", "--enable-source-maps", "/app/src/main.mjs"]);
  assert.equal(paths(project).sort(), [
    "/app/package.json",
    "/app/src/asset.txt",
    "/app/src/main.mjs",
    "/app/src/main.mjs.map",
    "/app/tsconfig.json",
  ]);
  assert.is(await run(project), "hello you main.mjs");
});

test("brings in a workspace's library that is TypeScript itself, which Node could not run", async () => {
  await using folder = await projectFolder({
    "package.json": { json: { private: true, workspaces: ["packages/*"] } },
    "packages/lib/package.json": { json: { name: "lib", version: "1.0.0", main: "src/index.ts" } },
    "packages/lib/src/index.ts": "export const answer: number = 42;",
    "packages/app/package.json": {
      json: { name: "app", main: "main.ts", dependencies: { lib: "1.0.0" } },
    },
    "packages/app/main.ts": `import { answer } from "lib"; console.log(answer);`,
  });
  mkdirSync(join(folder.path, "node_modules"));
  symlinkSync("../packages/lib", join(folder.path, "node_modules/lib"));
  const app = join(folder.path, "packages/app");
  const project = await collectProject(app, await loadManifest(app));
  assert.is(await run(project), "42");
});

test("keeps CommonJS, with packages outside the bundle", async () => {
  const project = await collect({
    "package.json": { json: { main: "index.ts", dependencies: { left: "1" } } },
    "index.ts": `import { left } from "left"; console.log(typeof require, left);`,
    ...installed("node_modules/left", { name: "left" }),
  });
  assert.is(project.argv.at(-1), "/app/index.cjs");
  const code = project.entries.find(({ path }) => path === "/app/index.cjs");
  assert.ok(code?.kind === "file" && code.source.kind === "bytes");
  if (code?.kind === "file" && code.source.kind === "bytes") {
    assert.match(Buffer.from(code.source.bytes).toString(), /require\("left"\)/);
  }
});

test("leaves windlass/guest to the base, wherever this checkout would find it", async () => {
  await using folder = await projectFolder({
    "package.json": { json: { dependencies: { windlass: "*" }, main: "main.mts" } },
    "main.mts": 'import { afterClone } from "windlass/guest"; afterClone(() => {});',
    ...installed("linked", { name: "windlass", exports: { "./guest": "./index.js" } }),
  });
  const collected = async () => collectProject(folder.path, await loadManifest(folder.path));
  const codeOf = (project: Project): string => {
    const entry = project.entries.find(({ path }) => path === "/app/main.mjs");
    if (entry?.kind !== "file" || entry.source.kind !== "bytes") return "";
    return Buffer.from(entry.source.bytes).toString();
  };
  const missing = await collected();
  assert.match(codeOf(missing), /from "windlass\/guest"/);
  mkdirSync(join(folder.path, "node_modules"));
  symlinkSync("../linked", join(folder.path, "node_modules/windlass"));
  const linked = await collected();
  assert.is(codeOf(linked), codeOf(missing));
  assert.equal(linked.dependencies, []);
});

test("becomes ESM when the source can be nothing else", async () => {
  for (const source of [
    "console.log(await Promise.resolve('ran'));",
    "console.log(import.meta.url ? 'ran' : '');",
  ]) {
    const project = await collect({ "package.json": "{}", "index.ts": source });
    assert.is(project.argv.at(-1), "/app/index.mjs");
    assert.is(await run(project), "ran");
  }
});

test("goes by .mts and .cts first", async () => {
  const esm = await collect({ "package.json": { json: { main: "a.mts" } }, "a.mts": "" });
  assert.is(esm.argv.at(-1), "/app/a.mjs");
  const cjs = await collect({
    "package.json": { json: { main: "a.cts", type: "module" } },
    "a.cts": "",
  });
  assert.is(cjs.argv.at(-1), "/app/a.cjs");
});

test("gives the same bytes in another folder", async () => {
  const files = { "package.json": "{}", "src/index.ts": "throw new Error('x' as string);" };
  const bytes = (project: Project) =>
    project.entries.map((entry) =>
      entry.kind === "file" && entry.source.kind === "bytes" ? Buffer.from(entry.source.bytes) : "",
    );
  assert.equal(bytes(await collect(files)), bytes(await collect(files)));
});

test("names file, line and column of what does not compile", async () => {
  const error = (await collect({
    "package.json": "{}",
    "index.ts": `import "./lib.ts";`,
    "lib.ts": "const a = 1;\nconst a = 2;",
  }).catch((reason: unknown) => reason)) as ImageError;
  assert.match(
    error.message,
    /Cannot bundle index\.ts: .*"a" has already been declared \(lib\.ts:2:7\)/,
  );
  assert.match(error.facts.file ?? "", /lib\.ts$/);
  assert.equal([error.facts.line, error.facts.column], [2, 7]);
});

test.run();
