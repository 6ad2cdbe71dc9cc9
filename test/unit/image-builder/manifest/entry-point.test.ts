import { join } from "node:path";
import * as assert from "uvu/assert";
import { findEntryPoint } from "../../../../image-builder/manifest/entry-point.ts";
import { imageNameOf, readPackageJson } from "../../../../image-builder/manifest/package-json.ts";
import { suite } from "../../../support/suite.ts";
import { type Content, projectFolder } from "../project/project-folder.ts";

const test = suite("entry point");

async function find(packageJson: object, files: readonly string[], more = {}) {
  const contents: Record<string, Content> = { "package.json": { json: packageJson }, ...more };
  for (const file of files) contents[file] = "";
  await using folder = await projectFolder(contents);
  return findEntryPoint(folder.path, readPackageJson(join(folder.path, "package.json")));
}

const start = (line: string): object => ({ scripts: { start: line } });

const found: readonly (readonly [string, object, readonly string[], string])[] = [
  ["main", { main: "lib/app.js" }, ["lib/app.js"], "lib/app.js"],
  ["main without extension", { main: "./lib/app" }, ["lib/app.js"], "lib/app.js"],
  ["main as a folder", { main: "lib" }, ["lib/index.js"], "lib/index.js"],
  [
    "the start script before main",
    { main: "a.js", ...start("node b.js") },
    ["a.js", "b.js"],
    "b.js",
  ],
  [
    "main when the start script's file is missing",
    { main: "a.js", ...start("node b") },
    ["a.js"],
    "a.js",
  ],
  ["exports as text", { exports: "./x.mjs" }, ["x.mjs"], "x.mjs"],
  [
    "exports with conditions",
    { exports: { ".": { types: "./x.d.ts", import: "./x.mjs", require: "./x.cjs" } } },
    ["x.mjs", "x.cjs", "x.d.ts"],
    "x.mjs",
  ],
  ["server.js", {}, ["server.js", "index.js"], "server.js"],
  ["app.mjs", {}, ["app.mjs"], "app.mjs"],
  ["src/index.ts", {}, ["src/index.ts"], "src/index.ts"],
  ["bin at last", { name: "x", bin: "cli.js" }, ["cli.js"], "cli.js"],
  ["tsx", start("tsx watch --clear-screen=false src/a.ts"), ["src/a.ts"], "src/a.ts"],
  ["ts-node by hook", start("node --import tsx --loader=ts-node/esm a.ts"), ["a.ts"], "a.ts"],
  ["nodemon", start("nodemon app.js"), ["app.js"], "app.js"],
  ["build and run", start("tsc -p . && node dist/a.js"), ["dist/a.js"], "dist/a.js"],
  ["npm run", { scripts: { start: "npm run serve", serve: "node a" } }, ["a.js"], "a.js"],
  ["a script as a command", start("./run.js"), ["run.js"], "run.js"],
  ["a folder", start("node ."), ["index.js"], "index.js"],
];
for (const [name, packageJson, files, entry] of found) {
  test(`finds ${name}`, async () => {
    assert.is((await find(packageJson, files)).entry, entry);
  });
}

test("keeps flags, arguments and environment of the start script", async () => {
  const entry = await find(
    start(
      'LEVEL=2 cross-env MODE=x node -r ./hook.js --max-old-space-size=64 --watch a.js -p "1 2"',
    ),
    ["a.js"],
  );
  assert.equal(entry.nodeFlags, ["-r", "./hook.js", "--max-old-space-size=64"]);
  assert.equal(entry.args, ["-p", "1 2"]);
  assert.equal(entry.env, { LEVEL: "2", MODE: "x" });
});

test("leaves --env-file behind and says so", async () => {
  const entry = await find(start("node --env-file=.env a.js"), ["a.js", ".env"]);
  assert.equal(entry.nodeFlags, []);
  assert.match(
    entry.warnings[0] ?? "",
    /\.env is not read in the machine; use windlass run --env-file/,
  );
});

test("finds the script behind an installed command", async () => {
  const entry = await find(start("serve -l 80"), [], {
    "node_modules/serve/cli.js": "#!/usr/bin/env node\n",
    "node_modules/.bin/serve": { link: "../serve/cli.js" },
  });
  assert.is(entry.entry, "node_modules/serve/cli.js");
  assert.equal(entry.args, ["-l", "80"]);
});

test("names everything that was tried", async () => {
  const packageJson = {
    main: "dist/a.js",
    exports: "./dist/b.js",
    bin: "c.js",
    scripts: { start: "node dist/main.js", "start:prod": "a | b", serve: "webpack serve" },
  };
  const error = (await find(packageJson, []).catch((reason) => reason)) as Error;
  for (const part of [
    "scripts.start: dist/main.js does not exist",
    'scripts.start:prod: "a | b" cannot be read',
    "scripts.serve: webpack is no command of an installed package",
    "main: dist/a.js does not exist",
    "exports: ./dist/b.js does not exist",
    "bin: c.js does not exist",
    "server, index, app, main",
  ]) {
    assert.ok(error.message.includes(part), `${part} in ${error.message}`);
  }
});

test("never leaves the folder", async () => {
  for (const main of ["../a.js", "/etc/hosts", "a/../../b.js"]) {
    const error = await find({ main }, []).catch((reason) => reason);
    assert.match((error as Error).message, /No entry point/);
  }
});

test("ends when scripts call each other", async () => {
  const scripts = { start: "npm run a", a: "npm run start" };
  assert.match(String(await find({ scripts }, []).catch((reason) => reason)), /more than 8 times/);
});

test("makes image names of package names", () => {
  assert.is(imageNameOf("@scope/Name"), "name");
  assert.is(imageNameOf("My App!"), "my-app");
  assert.is(imageNameOf("___"), undefined);
  assert.is(imageNameOf("x".repeat(200))?.length, 128);
});

test.run();
