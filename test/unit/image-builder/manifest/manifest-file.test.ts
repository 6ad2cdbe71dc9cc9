import { readdir } from "node:fs/promises";
import * as assert from "uvu/assert";
import { ImageError } from "../../../../image-builder/errors.ts";
import type { Manifest } from "../../../../image-builder/manifest/manifest.ts";
import { loadManifest } from "../../../../image-builder/manifest/manifest-file.ts";
import { suite } from "../../../support/suite.ts";
import { type Content, projectFolder } from "../project/project-folder.ts";

const test = suite("manifest file");

async function load(files: Record<string, Content>): Promise<Manifest> {
  await using folder = await projectFolder(files);
  return await loadManifest(folder.path);
}

async function failure(files: Record<string, Content>): Promise<ImageError> {
  await using folder = await projectFolder(files);
  try {
    await loadManifest(folder.path);
  } catch (error) {
    if (error instanceof ImageError) return error;
    throw error;
  }
  return assert.unreachable("accepted") as never;
}

test("needs nothing but a package.json and an entry", async () => {
  const manifest = await load({
    "package.json": { json: { name: "@team/My Shop", engines: { node: ">=20" } } },
    "server.js": "",
  });
  assert.is(manifest.name, "my-shop");
  assert.equal(manifest.program, { kind: "script", entry: "server.js", nodeFlags: [] });
  assert.is(manifest.runtimeRange, ">=20");
  assert.is(manifest.workdir, "/app");
  assert.is(manifest.user, "0");
  assert.equal(manifest.restart, { policy: "no", maxRetries: 0 });
  assert.is(manifest.onExit, "poweroff");
});

test("reads every key of windlass.yaml", async () => {
  const manifest = await load({
    "package.json": { json: { name: "shop", engines: { node: ">=18" } } },
    "src/main.js": "",
    "data/one": "",
    "windlass.yaml": `
      name: store
      entry: ./src/main.js
      args: --port 80 "two words"
      env: { PORT: 8080, VERSION: 1.10, MODE: 0644, ON: true, TEXT: yes }
      workdir: /srv/
      user: 1000:1000
      runtime: node@22
      isolation: thread
      include: [/usr/share/zoneinfo, "data:/srv/data/"]
      files: { include: [.env], exclude: [docs] }
      memory: 1.5G
      cpus: 2
      ports: [3000, 53/udp]
      health: { http: { path: /up }, interval: 2s, timeout: 500ms, retries: 5, startPeriod: 1m }
      hooks: { beforeTemplate: SIGUSR1, afterClone: "http://:8080/awake?x", settle: 1s }
      restart: on-failure:4
      onExit: keep
      platform: linux
      kernel: ./vmlinuz
    `,
  });
  const { source, kernel, include, ...rest } = manifest;
  assert.equal(
    include.map(({ guestPath }) => guestPath),
    ["/usr/share/zoneinfo", "/srv/data"],
  );
  assert.match(include[1]?.hostPath ?? "", /^\/.*\/data$/);
  assert.match(source, /windlass\.yaml$/);
  assert.match(kernel ?? "", /^\/.*\/vmlinuz$/);
  assert.equal(rest, {
    name: "store",
    program: { kind: "script", entry: "src/main.js", nodeFlags: [] },
    args: ["--port", "80", "two words"],
    env: { PORT: "8080", VERSION: "1.10", MODE: "0644", ON: "true", TEXT: "yes" },
    workdir: "/srv",
    user: "1000:1000",
    runtime: "node",
    runtimeRange: "22",
    isolation: "thread",
    files: { include: [".env"], exclude: ["docs"] },
    memoryMib: 1536,
    cpus: 2,
    ports: [
      { port: 3000, protocol: "tcp" },
      { port: 53, protocol: "udp" },
    ],
    health: {
      check: { kind: "http", port: 3000, path: "/up" },
      intervalMs: 2000,
      timeoutMs: 500,
      retries: 5,
      startPeriodMs: 60_000,
    },
    hooks: {
      beforeTemplate: { kind: "signal", signal: "SIGUSR1" },
      afterClone: { kind: "http", port: 8080, path: "/awake?x" },
      settleMs: 1000,
    },
    restart: { policy: "on-failure", maxRetries: 4 },
    onExit: "keep",
    platform: "linux",
    warnings: [],
  });
});

test("takes a scratch disk as a size, or as a size and a path", async () => {
  const scratch = async (text: string) =>
    (await load({ "windlass.yaml": `scratch: ${text}`, "index.js": "" })).scratch;
  assert.equal(await scratch("1GiB"), { sizeMib: 1024, path: "/scratch" });
  assert.equal(await scratch("64"), { sizeMib: 64, path: "/scratch" });
  assert.equal(await scratch("{ size: 1T, path: /var/data/ }"), {
    sizeMib: 1_048_576,
    path: "/var/data",
  });
  for (const [text, words] of [
    ["1MiB", '"scratch" in .*: a scratch disk cannot have 1 MiB: ask for 16 MiB to 1 TiB'],
    ["2T", "a scratch disk cannot have 2097152 MiB"],
    ["lots", '"scratch" .*must be a size such as "1GiB"'],
    ["{ path: /data }", '"scratch'],
    ["{ size: 1G, path: / }", 'a scratch disk at "/" would hide what the guest needs'],
    ["{ size: 1G, path: data }", '"scratch'],
    ["{ size: 1G, mount: /data }", '"scratch'],
  ] as const) {
    const error = await failure({ "windlass.yaml": `name: a\nscratch: ${text}`, "index.js": "" });
    assert.match(error.message, new RegExp(words), text);
    assert.is(error.facts.line, 2, text);
  }
});

test("takes a command as a line or as a list", async () => {
  const line = await load({ "windlass.yaml": "command: node 'a b.js' --x" });
  assert.equal(line.program, { kind: "command", argv: ["node", "a b.js", "--x"] });
  const list = await load({ "windlass.json": '{"command": ["./run", "$HOME"]}' });
  assert.equal(list.program, { kind: "command", argv: ["./run", "$HOME"] });
  const error = await failure({ "windlass.yaml": "name: a\ncommand: a && b" });
  assert.match(error.message, /"command" in .*windlass\.yaml: "&" would need a shell/);
  assert.is(error.facts.line, 2);
});

test("evaluates windlass.config.ts and leaves nothing behind", async () => {
  await using folder = await projectFolder({
    "package.json": { json: { name: "x" } },
    "index.js": "",
    "size.ts": "export const memory: string = '128M';",
    "windlass.config.ts": `
      import { basename } from "node:path";
      import { memory } from "./size.ts";
      console.log("noise"); setInterval(() => {}, 1000); (globalThis as any).leak = true;
      export default { memory, name: basename(import.meta.filename, ".config.ts") } satisfies object;
    `,
  });
  const before = await readdir(folder.path);
  const manifest = await loadManifest(folder.path);
  assert.is(manifest.memoryMib, 128);
  assert.is(manifest.name, "windlass");
  assert.equal(await readdir(folder.path), before);
  assert.is("leak" in globalThis, false);
});

test("accepts an export named config, and a promise", async () => {
  const config = "export const config = Promise.resolve({ name: 'later' });";
  assert.is((await load({ "windlass.config.ts": config, "index.js": "" })).name, "later");
});

const configFailures: readonly (readonly [string, RegExp])[] = [
  ["export default {", /windlass\.config\.ts:1:\d+/],
  ["import './missing.ts'; export default {};", /Could not resolve "\.\/missing\.ts"/],
  ["throw new RangeError('no luck');", /RangeError: no luck/],
  ["export const other = 1;", /neither a default export nor an export named config/],
  ["process.exit(0); export default {};", /ended the process itself/],
  ["process.exit(3); export default {};", /exited with 3/],
  ["export default { name: () => 1 };", /"name" is a function/],
  ["export default {\n  memroy: 1 };", /Unknown key "memroy".*did you mean "memory"/],
];
for (const [text, message] of configFailures) {
  test(`refuses the module ${JSON.stringify(text)}`, async () => {
    const error = await failure({ "windlass.config.ts": text, "index.js": "" });
    assert.match(error.message, message);
    assert.match(error.facts.file ?? "", /windlass\.config\.ts$/);
    if (text.includes("memroy")) assert.is(error.facts.line, 2);
  });
}

test("stops a module that runs on when asked", async () => {
  await using folder = await projectFolder({
    "windlass.config.ts": "await new Promise(() => setInterval(() => {}, 1e3)); export default {};",
  });
  const controller = new AbortController();
  const loading = loadManifest(folder.path, { signal: controller.signal });
  controller.abort();
  const error = await loading.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.is((error as Error | undefined)?.name, "AbortError");
});

const documentFailures: readonly (readonly [string, string, RegExp, number, number])[] = [
  ["windlass.yaml", "name: a\nprots: [1]", /Unknown key "prots".*did you mean "ports"\?/, 2, 1],
  ["windlass.yaml", "health:\n  http: {prot: 1}", /"health\.http\.prot"/, 2, 10],
  ["windlass.yml", "a: [1\nb: 2", /YAML is broken/, 2, 1],
  ["windlass.yaml", "name: a\nname: b", /unique/, 2, 1],
  ["windlass.json", '{"name": "a",}', /JSON is broken: expected a quoted key, found "}"/, 1, 14],
  ["windlass.json", '{"name": "a" // no\n}', /JSON is broken/, 1, 14],
  ["windlass.yaml", "memory: 16M", /too small to boot/, 1, 9],
  ["windlass.yaml", "ports: [1, 70000/udp]", /no port from 1 to 65535/, 1, 12],
  ["windlass.yaml", "entry: a.js\ncommand: b", /exclude each other/, 2, 1],
  ["windlass.yaml", "name: a\nentry: ../a.js", /leads outside/, 2, 8],
  ["windlass.yaml", "name: a\nentry: gone.js", /names a missing file: gone\.js/, 2, 8],
  ["windlass.yaml", "health:\n  http: {}", /names no port/, 2, 9],
  ["windlass.yaml", "hooks:\n  afterClone: SIGNONE", /there is no signal SIGNONE/, 2, 15],
  ["windlass.yaml", "hooks: {beforeTemplate: 'http://:0/'}", /no port from 1/, 1, 25],
  ["windlass.yaml", "hooks: {settle: 2m}", /more than 60 s/, 1, 17],
  ["windlass.yaml", "1: a", /Unknown key "1"/, 1, 1],
  ["windlass.yaml", "env: { A: [1] }", /"env\.A" .*must be text, a number or a boolean/, 1, 11],
];
for (const [file, text, message, line, column] of documentFailures) {
  test(`refuses ${file}: ${JSON.stringify(text)}`, async () => {
    const error = await failure({ [file]: text, "index.js": "", "package.json": "{}" });
    assert.match(error.message, message);
    assert.equal({ line: error.facts.line, column: error.facts.column }, { line, column });
    assert.is(error.code, "WL_IMAGE_MANIFEST_INVALID");
  });
}

test("refuses aliases that multiply", async () => {
  const lines = ["a: &a [x,x,x,x,x,x,x,x,x,x]"];
  for (let code = 98; code < 107; code += 1) {
    const before = String.fromCharCode(code - 1);
    lines.push(
      `${String.fromCharCode(code)}: &${String.fromCharCode(code)} [${`*${before},`.repeat(10)}]`,
    );
  }
  const error = await failure({ "windlass.yaml": lines.join("\n") });
  assert.match(error.message, /aliases cannot be expanded/);
});

test("knows a folder's runtime by its files, and by what the manifest says before that", async () => {
  const runtime = async (files: Parameters<typeof load>[0]) => (await load(files)).runtime;
  assert.is(await runtime({ "go.mod": "" }), "go");
  assert.is(await runtime({ "app.jar": "" }), "java");
  assert.is(await runtime({ "requirements.txt": "", "main.py": "" }), "python");
  assert.is(await runtime({ "package.json": "{}", "index.js": "", "go.mod": "" }), "node");
  assert.is(await runtime({ "package.json": "{}", "deno.json": "{}" }), "deno");
  assert.is(await runtime({ "go.mod": "", "windlass.yaml": "runtime: native" }), "native");
  const { program, runtimeRange } = await load({ "windlass.yaml": "runtime: python@3.11" });
  assert.equal([program, runtimeRange], [{ kind: "default" }, "3.11"]);
  const error = await failure({ "windlass.yaml": "runtime: cobol" });
  assert.match(error.message, /must be one of node, deno/);
});

test("refuses two Windlass files", async () => {
  const error = await failure({ "windlass.yaml": "", "windlass.json": "{}" });
  assert.match(error.message, /holds both windlass\.yaml and windlass\.json/);
});

test("says what a folder without a package.json lacks", async () => {
  const error = await failure({ "notes.txt": "" });
  assert.match(
    error.message,
    /There is no package\.json in .*, no windlass\.yaml, and no file that tells/,
  );
  assert.is(error.code, "WL_IMAGE_PROJECT_INVALID");
});

test("says that a folder does not exist", async () => {
  const error = (await loadManifest("/nonexistent/folder").catch((reason) => reason)) as ImageError;
  assert.match(error.message, /There is no folder \/nonexistent\/folder/);
});

test("says that a device is no folder, and not that it is not there", async () => {
  const error = (await loadManifest("/dev/null").catch((reason) => reason)) as ImageError;
  assert.is(error.message, "/dev/null is no folder and no program");
});

test("names the line of an include that is not there", async () => {
  const text = "entry: a.js\ninclude:\n  - ./a.js\n  - ../no-such-file\n";
  const error = await failure({ "windlass.yaml": text, "a.js": "" });
  assert.match(error.message, /"include" in .*windlass\.yaml names what is not there: .*\/no-such/);
  assert.is(error.code, "WL_IMAGE_MANIFEST_INVALID");
  assert.is(error.facts.line, 4);
});

test("a package.json for tools: the error names what else the folder may be", async () => {
  const error = await failure({ "package.json": { json: {} }, "go.mod": "", Makefile: "" });
  assert.match(error.message, /No entry point/);
  assert.match(error.facts.next ?? "", /though it has go\.mod: write "runtime: go" into windlass/);
});

test("says which of several runtimes was taken", async () => {
  const several = { "main.py": "", "main.rb": "", "main.c": "" };
  const { runtime, warnings } = await load(several);
  assert.is(runtime, "python");
  assert.equal(warnings, [
    'This is built as python because of main.py, though there is main.rb (ruby), main.c (c); "runtime" in windlass.yaml chooses',
  ]);
  assert.equal((await load({ ...several, "windlass.yaml": "runtime: ruby\n" })).warnings, []);
  assert.equal(
    (await load({ "main.py": "", Makefile: "" })).warnings,
    [],
    "a Makefile is anybody's",
  );
  const tools = await load({ "deno.json": "{}", "main.ts": "", "package.json": { json: {} } });
  assert.equal(tools.warnings, []);
});

test("names line and column of a broken package.json", async () => {
  const error = await failure({ "package.json": '{\n  "name": "a"\n  "main": "b"\n}' });
  assert.match(
    error.message,
    /package\.json: the JSON is broken: expected "," or "}", found "\\""/,
  );
  assert.equal([error.facts.line, error.facts.column], [3, 3]);
});

test("reads a Capstanfile", async () => {
  const manifest = await load({
    Capstanfile: "cmdline: /node.so /server.js --port 80\nfiles:\n  /server.js: lib/&\n",
    "lib/server.js": "",
    "ROOTFS/etc/app.conf": "",
  });
  assert.equal(manifest.program, {
    kind: "command",
    argv: ["node", "/app/server.js", "--port", "80"],
  });
  assert.equal(
    manifest.placed?.map((file) => file.guestPath),
    ["/app", "/app/server.js"],
  );
});

const capstanFailures: readonly (readonly [string, RegExp, number])[] = [
  ["cmdline: /a\nbase: cloudius/osv-base", /"base" in .* is not supported/, 2],
  ["build: make\ncmdline: /a", /"build" in .* is not supported/, 1],
  ["files: {}", /hold "cmdline"/, 1],
  ["cmdline: /a\nfiles:\n  /b: missing", /missing file/, 3],
  ["cmdline: /a\nrootfs: gone", /"rootfs" in .* is not a folder/, 2],
  ["cmdline: /a\ncmdlin: 1", /Unknown key "cmdlin".*did you mean "cmdline"/, 2],
  ["cmdline: --env=A=b /a", /does not start with a command/, 1],
];
for (const [text, message, line] of capstanFailures) {
  test(`refuses the Capstanfile ${JSON.stringify(text)}`, async () => {
    const error = await failure({ Capstanfile: text });
    assert.match(error.message, message);
    assert.is(error.facts.line, line);
  });
}

test.run();
