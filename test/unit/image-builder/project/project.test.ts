import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { ImageError } from "../../../../image-builder/errors.ts";
import { loadManifest } from "../../../../image-builder/manifest/manifest-file.ts";
import { toProgramSpec } from "../../../../image-builder/project/program-spec.ts";
import { collectProject, type Project } from "../../../../image-builder/project/project.ts";
import { orderTree, type TreeEntry } from "../../../../image-builder/rootfs/tree.ts";
import { suite } from "../../../support/suite.ts";
import { type Content, installed, projectFolder } from "./project-folder.ts";

const test = suite("project");

async function collectFrom(path: string): Promise<Project> {
  return await collectProject(path, await loadManifest(path));
}

async function collect(files: Record<string, Content>): Promise<Project> {
  await using folder = await projectFolder(files);
  return await collectFrom(folder.path);
}

async function failure(attempt: Promise<unknown>): Promise<ImageError> {
  const error = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.instance(error, ImageError);
  return error as ImageError;
}

/** Paths below /app, without folders; "a -> b" for links. */
function listed(project: Project): string[] {
  return orderTree(project.entries)
    .filter((entry) => entry.kind !== "directory")
    .map((entry) => entry.path.slice(5) + (entry.kind === "symlink" ? ` -> ${entry.target}` : ""));
}

function entryAt(project: Project, path: string): TreeEntry | undefined {
  return project.entries.find((entry) => entry.path === path);
}

test("takes the folder as it is", async () => {
  const project = await collect({
    "package.json": { json: { name: "a" } },
    "server.js": { text: "", mode: 0o600 },
    "bin/run": { text: "", mode: 0o4711 },
    "a\nb/'quoted\".txt": "",
    [`deep/${"n".repeat(255)}`]: "",
    "data/link": { link: "../server.js" },
    "data/dangling": { link: "nothing" },
    "data/loop": { link: "loop" },
  });
  assert.equal(listed(project), [
    "a\nb/'quoted\".txt",
    "bin/run",
    "data/dangling -> nothing",
    "data/link -> ../server.js",
    "data/loop -> loop",
    `deep/${"n".repeat(255)}`,
    "package.json",
    "server.js",
  ]);
  assert.equal(project.argv, ["/usr/local/bin/node", "/app/server.js"]);
  const mode = (path: string) => {
    const entry = entryAt(project, path);
    return entry?.kind === "symlink" ? undefined : entry?.mode;
  };
  assert.is(mode("/app/server.js"), 0o644);
  assert.is(mode("/app/bin/run"), 0o755);
  assert.is(mode("/app/bin"), 0o755);
});

test("leaves out secrets, history, logs and its own files", async () => {
  const project = await collect({
    "package.json": "{}",
    "index.js": "",
    ".env": "",
    ".env.production": "",
    ".env.example": "",
    "packages/.env": "",
    ".git/HEAD": "",
    ".npmrc": "",
    "npm-debug.log": "",
    "windlass.yaml": "# nothing yet",
    ".windlassignore": "*.md\n!README.md\n/docs/\n",
    "README.md": "",
    "NOTES.md": "",
    "docs/a.txt": "",
    "lib/docs/a.txt": "",
    "sub/windlass.yaml": "",
  });
  assert.equal(listed(project), [
    ".env.example",
    "README.md",
    "index.js",
    "lib/docs/a.txt",
    "package.json",
    "sub/windlass.yaml",
  ]);
});

test("brings back what files.include names, from unentered folders too", async () => {
  const project = await collect({
    "package.json": { json: { devDependencies: { dev: "1" } } },
    "index.js": "",
    ".env": "",
    ".git/HEAD": "",
    ".git/config": "",
    "secret/key": "",
    ...installed("node_modules/dev", { name: "dev" }),
    "windlass.json": {
      json: {
        files: { include: [".env", ".git/HEAD", "node_modules/dev/*.js"], exclude: ["secret"] },
      },
    },
  });
  assert.equal(listed(project), [
    ".env",
    ".git/HEAD",
    "index.js",
    "node_modules/dev/index.js",
    "package.json",
  ]);
});

test("takes production dependencies, nested, optional and peer, and no others", async () => {
  const project = await collect({
    "package.json": {
      json: {
        dependencies: { a: "1" },
        optionalDependencies: { fits: "1", musl: "1", absent: "1" },
        devDependencies: { dev: "1" },
      },
    },
    "index.js": "",
    ...installed("node_modules/a", {
      name: "a",
      dependencies: { b: "2" },
      peerDependencies: { peer: "1", "missing-peer": "1" },
    }),
    ...installed("node_modules/a/node_modules/b", { name: "b", version: "2.0.0" }),
    ...installed("node_modules/b", { name: "b", version: "1.0.0" }),
    ...installed("node_modules/peer", { name: "peer", license: "MIT" }),
    ...installed("node_modules/fits", { name: "fits", os: ["linux"], libc: ["glibc"] }),
    ...installed("node_modules/musl", { name: "musl", os: ["!win32"], libc: ["musl"] }),
    ...installed("node_modules/dev", { name: "dev" }),
    "node_modules/.bin/a": { link: "../a/index.js" },
    "node_modules/.cache/x": "",
    "node_modules/.package-lock.json": "{}",
  });
  assert.equal(
    project.dependencies.map(({ name, version, path }) => `${name}@${version} ${path}`),
    [
      "a@1.0.0 /app/node_modules/a",
      "b@2.0.0 /app/node_modules/a/node_modules/b",
      "fits@1.0.0 /app/node_modules/fits",
      "peer@1.0.0 /app/node_modules/peer",
    ],
  );
  assert.is(listed(project).filter((path) => path.startsWith("node_modules")).length, 8);
});

test("takes integrity and origin from the lockfile", async () => {
  const { dependencies } = await collect({
    "package.json": { json: { dependencies: { a: "1" } } },
    "package-lock.json": {
      json: {
        lockfileVersion: 3,
        packages: {
          "": { dependencies: { a: "1" } },
          "node_modules/a": {
            version: "1.0.0",
            integrity: "sha512-x",
            resolved: "origin",
            license: "ISC",
          },
        },
      },
    },
    "index.js": "",
    ...installed("node_modules/a", { name: "a" }),
  });
  assert.equal(dependencies[0], {
    name: "a",
    version: "1.0.0",
    path: "/app/node_modules/a",
    integrity: "sha512-x",
    resolved: "origin",
    license: "ISC",
  });
});

test("refuses a node_modules that does not belong to the lockfile", async () => {
  const error = await failure(
    collect({
      "package.json": { json: { dependencies: { a: "1" } } },
      "package-lock.json": { json: { packages: { "node_modules/a": { version: "1.2.0" } } } },
      "index.js": "",
      ...installed("node_modules/a", { name: "a", version: "1.1.0" }),
    }),
  );
  assert.match(error.message, /is version 1\.1\.0, but .* asks for 1\.2\.0/);
  assert.match(error.facts.next ?? "", /^Run npm ci/);
});

test("names missing dependencies and who needs them", async () => {
  const files = {
    "package.json": { json: { dependencies: { a: "1", z: "1" } } },
    "package-lock.json": "{}",
    "index.js": "",
    ...installed("node_modules/a", { name: "a", dependencies: { deep: "1" } }),
  };
  const error = await failure(collect(files));
  assert.match(error.message, /z \(needed by package\.json\), deep \(needed by node_modules\/a\)/);
  assert.match(error.facts.next ?? "", /^Run npm ci/);
});

test("does not take packages that happen to lie further up", async () => {
  await using folder = await projectFolder({
    ...installed("node_modules/a", { name: "a" }),
    "app/package.json": { json: { dependencies: { a: "1" } } },
    "app/index.js": "",
  });
  const error = await failure(collectFrom(join(folder.path, "app")));
  assert.match(error.message, /missing from node_modules: a/);
});

test("takes hoisted packages of an enclosing workspace", async () => {
  await using folder = await projectFolder({
    "package.json": { json: { workspaces: ["packages/*"] } },
    "packages/web/package.json": { json: { name: "web", dependencies: { a: "1", lib: "1" } } },
    "packages/web/index.js": "",
    ...installed("packages/web/node_modules/b", { name: "b", version: "1.0.0" }),
    ...installed("packages/lib", { name: "lib", dependencies: { b: "2" } }),
    "node_modules/lib": { link: "../packages/lib" },
    ...installed("node_modules/a", { name: "a", dependencies: { b: "2" } }),
    ...installed("node_modules/b", { name: "b", version: "2.0.0" }),
  });
  const project = await collectFrom(join(folder.path, "packages/web"));
  assert.equal(
    project.dependencies.map(({ name, version, path }) => `${name}@${version} ${path}`),
    [
      "a@1.0.0 /app/node_modules/a",
      "b@2.0.0 /app/node_modules/a/node_modules/b",
      "lib@1.0.0 /app/node_modules/lib",
      "b@2.0.0 /app/node_modules/lib/node_modules/b",
    ],
  );
});

test("keeps pnpm's layout of links", async () => {
  const project = await collect({
    "package.json": { json: { dependencies: { a: "1" }, devDependencies: { dev: "1" } } },
    "index.js": "",
    "node_modules/a": { link: ".pnpm/a@1/node_modules/a" },
    "node_modules/dev": { link: ".pnpm/dev@1/node_modules/dev" },
    ...installed("node_modules/.pnpm/a@1/node_modules/a", { name: "a", dependencies: { b: "1" } }),
    "node_modules/.pnpm/a@1/node_modules/b": { link: "../../b@1/node_modules/b" },
    ...installed("node_modules/.pnpm/b@1/node_modules/b", { name: "b", dependencies: { a: "1" } }),
    "node_modules/.pnpm/b@1/node_modules/a": { link: "../../a@1/node_modules/a" },
    ...installed("node_modules/.pnpm/dev@1/node_modules/dev", { name: "dev" }),
  });
  assert.equal(
    listed(project).filter((path) => path.startsWith("node_modules")),
    [
      "node_modules/.pnpm/a@1/node_modules/a/index.js",
      "node_modules/.pnpm/a@1/node_modules/a/package.json",
      "node_modules/.pnpm/a@1/node_modules/b -> ../../b@1/node_modules/b",
      "node_modules/.pnpm/b@1/node_modules/a -> ../../a@1/node_modules/a",
      "node_modules/.pnpm/b@1/node_modules/b/index.js",
      "node_modules/.pnpm/b@1/node_modules/b/package.json",
      "node_modules/a -> .pnpm/a@1/node_modules/a",
    ],
  );
});

test("follows a workspace inside and a linked package outside", async () => {
  await using outside = await projectFolder({
    ...installed("lib", { name: "lib", dependencies: { c: "1" } }),
    "lib/.git/HEAD": "",
    ...installed("node_modules/c", { name: "c" }),
  });
  await using folder = await projectFolder({
    "package.json": { json: { workspaces: ["ws"], dependencies: { lib: "file:", ws: "*" } } },
    "index.js": "",
    ...installed("ws", { name: "ws", dependencies: { d: "1" }, devDependencies: { dev: "1" } }),
    ...installed("ws/node_modules/d", { name: "d" }),
    ...installed("ws/node_modules/dev", { name: "dev" }),
    "node_modules/ws": { link: "../ws" },
    "node_modules/lib": { link: join(outside.path, "lib") },
  });
  assert.equal(listed(await collectFrom(folder.path)), [
    "index.js",
    "node_modules/c/index.js",
    "node_modules/c/package.json",
    "node_modules/lib/index.js",
    "node_modules/lib/package.json",
    "node_modules/ws -> ../ws",
    "package.json",
    "ws/index.js",
    "ws/node_modules/d/index.js",
    "ws/node_modules/d/package.json",
    "ws/package.json",
  ]);
  await folder.add({ ".windlassignore": "/ws\n" });
  const copied = listed(await collectFrom(folder.path));
  assert.equal(
    copied.filter((path) => path.includes("/ws/")),
    [
      "node_modules/ws/index.js",
      "node_modules/ws/node_modules/d/index.js",
      "node_modules/ws/node_modules/d/package.json",
      "node_modules/ws/package.json",
    ],
    "a workspace that is left out of the tree is copied to its link",
  );
});

test("leaves secrets out of linked packages too, and takes what installed ones brought", async () => {
  await using workspace = await projectFolder({
    "package.json": { json: { workspaces: ["app", "lib"] } },
    ...installed("app", { name: "app", dependencies: { lib: "*", sent: "1" } }),
    ...installed("lib", { name: "lib" }),
    "lib/.env": "TOKEN=1",
    "lib/.npmrc": "//registry/:_authToken=1",
    "lib/config/.env.production": "TOKEN=1",
    "lib/config/.env.example": "",
    "node_modules/lib": { link: "../lib" },
    ...installed("node_modules/sent", { name: "sent" }),
    "node_modules/sent/.env": "",
  });
  assert.equal(listed(await collectFrom(join(workspace.path, "app"))), [
    "index.js",
    "node_modules/lib/config/.env.example",
    "node_modules/lib/index.js",
    "node_modules/lib/package.json",
    "node_modules/sent/.env",
    "node_modules/sent/index.js",
    "node_modules/sent/package.json",
    "package.json",
  ]);
  await workspace.add({
    "app/windlass.json": { json: { files: { include: ["node_modules/lib/.env"] } } },
  });
  const included = listed(await collectFrom(join(workspace.path, "app")));
  assert.ok(included.includes("node_modules/lib/.env"), "what is asked for comes along");
});

test("follows node_modules that is a link itself", async () => {
  await using elsewhere = await projectFolder(installed("nm/a", { name: "a" }));
  await using folder = await projectFolder({
    "package.json": { json: { dependencies: { a: "1" } } },
    "index.js": "",
    node_modules: { link: join(elsewhere.path, "nm") },
  });
  assert.ok(listed(await collectFrom(folder.path)).includes("node_modules/a/index.js"));
});

test("applies ignore rules inside packages only when they name node_modules", async () => {
  const project = await collect({
    "package.json": { json: { dependencies: { a: "1" } } },
    "index.js": "",
    "dist/x.js": "",
    ".windlassignore": "dist\nnode_modules\nnode_modules/a/docs/\n",
    ...installed("node_modules/a", { name: "a" }),
    "node_modules/a/dist/x.js": "",
    "node_modules/a/docs/x": "",
    "node_modules/a/build/Release/obj.target/x.o": "",
    "node_modules/a/build/Release/x.node": "",
  });
  assert.equal(listed(project), [
    "index.js",
    "node_modules/a/build/Release/x.node",
    "node_modules/a/dist/x.js",
    "node_modules/a/index.js",
    "node_modules/a/package.json",
    "package.json",
  ]);
  assert.equal(
    project.nativeAddons.map(({ guestPath }) => guestPath),
    ["/app/node_modules/a/build/Release/x.node"],
  );
});

test("keeps a node_modules folder that belongs to no package", async () => {
  const project = await collect({
    "package.json": "{}",
    "index.js": "",
    "vendor/node_modules/x/index.js": "",
  });
  assert.ok(listed(project).includes("vendor/node_modules/x/index.js"));
});

test("refuses links that lead out, and makes absolute links inside relative", async () => {
  await using folder = await projectFolder({
    "package.json": "{}",
    "index.js": "",
    "data/file": "",
  });
  symlinkSync(join(folder.path, "data/file"), join(folder.path, "absolute"));
  assert.ok(listed(await collectFrom(folder.path)).includes("absolute -> data/file"));
  symlinkSync("../../etc/hosts", join(folder.path, "data/out"));
  const error = await failure(collectFrom(folder.path));
  assert.match(error.message, /data\/out" leads out of the project, to "\.\.\/\.\.\/etc\/hosts"/);
  assert.match(error.facts.next ?? "", /\.windlassignore/);
  await folder.add({ ".windlassignore": "out\n" });
  await collectFrom(folder.path);
});

test("refuses a link that leads out through another link", async () => {
  await using outside = await projectFolder({ "secret/key": "" });
  await using folder = await projectFolder({ "package.json": "{}", "index.js": "" });
  symlinkSync(outside.path, join(folder.path, "door"));
  symlinkSync("door/secret", join(folder.path, "chain"));
  await folder.add({ ".windlassignore": "/door\n" });
  assert.match((await failure(collectFrom(folder.path))).message, /chain" leads out/);
});

test("refuses sockets and pipes by name", async () => {
  await using folder = await projectFolder({ "package.json": "{}", "index.js": "" });
  execFileSync("mkfifo", [join(folder.path, "pipe")]);
  assert.match((await failure(collectFrom(folder.path))).message, /pipe" is a named pipe/);
  rmSync(join(folder.path, "pipe"));
  const server = createServer();
  await new Promise<void>((done) => server.listen(join(folder.path, "sock"), done));
  try {
    assert.match((await failure(collectFrom(folder.path))).message, /sock" is a socket/);
    await folder.add({ ".windlassignore": "sock\n" });
    await collectFrom(folder.path);
  } finally {
    server.close();
  }
});

test("refuses a name that is not UTF-8 and shows its bytes", async () => {
  await using folder = await projectFolder({ "package.json": "{}", "index.js": "" });
  writeFileSync(join(folder.path, "fine-\uFFFD"), "");
  await collectFrom(folder.path);
  const path = Buffer.concat([Buffer.from(`${folder.path}/bad-`), Buffer.from([0xff, 0x0a])]);
  writeFileSync(path, "");
  const error = await failure(collectFrom(folder.path));
  assert.ok(error.message.includes('"bad-\\xff\\x0a"'), error.message);
});

test("resolves an entry through links and refuses one that loops", async () => {
  await using folder = await projectFolder({
    "package.json": { json: { main: "l0" } },
    real: "",
  });
  for (let index = 0; index < 38; index += 1) {
    symlinkSync(index === 37 ? "real" : `l${index + 1}`, join(folder.path, `l${index}`));
  }
  assert.equal((await collectFrom(folder.path)).argv, ["/usr/local/bin/node", "/app/l0"]);
  rmSync(join(folder.path, "l37"));
  symlinkSync("l0", join(folder.path, "l37"));
  assert.match(
    (await failure(collectFrom(folder.path))).message,
    /No entry point .* l0 does not exist/,
  );
});

test("refuses an entry that is left out", async () => {
  const error = await failure(
    collect({ "package.json": "{}", "index.js": "", ".windlassignore": "index.js" }),
  );
  assert.match(error.message, /"index\.js" is not in the image/);
});

test("resolves commands: runtime, project file, installed command", async () => {
  const argvOf = async (command: string): Promise<readonly string[]> => {
    const project = await collect({
      "package.json": { json: { dependencies: { tool: "1" } } },
      "bin/run": { text: "", mode: 0o755 },
      "lib/a.mjs": "",
      ...installed("node_modules/tool", { name: "tool", bin: "cli.js" }),
      "node_modules/tool/cli.js": "#!/usr/bin/env node\n",
      "node_modules/.bin/tool": { link: "../tool/cli.js" },
      "windlass.json": { json: { command, args: ["last"] } },
    });
    return project.argv;
  };
  assert.equal(await argvOf("node -v"), ["/usr/local/bin/node", "-v", "last"]);
  assert.equal(await argvOf("bin/run x"), ["/app/bin/run", "x", "last"]);
  assert.equal(await argvOf("./lib/a.mjs"), ["/usr/local/bin/node", "/app/lib/a.mjs", "last"]);
  assert.equal(await argvOf("/usr/bin/x"), ["/usr/bin/x", "last"]);
  assert.equal(await argvOf("tool"), [
    "/usr/local/bin/node",
    "/app/node_modules/tool/cli.js",
    "last",
  ]);
  assert.match((await failure(argvOf("python app.py"))).message, /"python" is not in the image/);
  assert.match((await failure(argvOf("./gone"))).message, /".\/gone" is not in the image/);
});

test("takes only what a Capstanfile places", async () => {
  const project = await collect({
    Capstanfile: "cmdline: /node /lib/main.js\nfiles:\n  /lib/main.js: src/&\n",
    "src/main.js": "",
    "ROOTFS/data/x": "",
    "other.txt": "",
  });
  assert.equal(listed(project), ["data/x", "lib/main.js"]);
  assert.equal(project.argv, ["/usr/local/bin/node", "/app/lib/main.js"]);
});

test("changes its fingerprint with content, mode, name, link and manifest, and only then", async () => {
  await using folder = await projectFolder({
    "package.json": "{}",
    "index.js": "one",
    "data/x": "x",
    "data/link": { link: "x" },
    "ignored/x": "x",
    ".windlassignore": "/ignored\n",
  });
  let last = (await collectFrom(folder.path)).fingerprint;
  const changes = async (what: string, change: () => unknown, expected = true): Promise<void> => {
    await change();
    const { fingerprint } = await collectFrom(folder.path);
    assert.is(fingerprint !== last, expected, what);
    last = fingerprint;
  };
  const at = (name: string): string => join(folder.path, name);
  await changes("nothing", () => {}, false);
  await changes("content, same size", () => writeFileSync(at("index.js"), "two"));
  await changes("time put back", () => {
    writeFileSync(at("index.js"), "six");
    utimesSync(at("index.js"), 1, 1);
  });
  await changes("name", () => renameSync(at("data/x"), at("data/y")));
  await changes("link", () => {
    rmSync(at("data/link"));
    symlinkSync("y", at("data/link"));
  });
  await changes("empty folder", () => mkdirSync(at("data/empty")));
  await changes("what is left out", () => writeFileSync(at("ignored/x"), "changed"), false);
  await changes("manifest", () => writeFileSync(at("windlass.yaml"), "cpus: 2"));
});

test("gives the agent the manifest's words over its own defaults", async () => {
  await using folder = await projectFolder({
    "package.json": "{}",
    "index.js": "",
    "windlass.yaml":
      "env: { NODE_ENV: test, X: 1 }\nuser: app\nports: [80]\nhealth: { exec: [node, up.js] }",
  });
  const manifest = await loadManifest(folder.path);
  const spec = toProgramSpec(manifest, await collectProject(folder.path, manifest));
  assert.equal(spec.env, {
    PATH: "/usr/local/bin:/usr/bin:/bin",
    LANG: "C.UTF-8",
    NODE_ENV: "test",
    X: "1",
  });
  assert.equal(spec.health?.check, { kind: "exec", argv: ["/usr/local/bin/node", "up.js"] });
  assert.equal(
    { workdir: spec.workdir, user: spec.user, stop: spec.stopSignal, isNode: spec.isNode },
    { workdir: "/app", user: "app", stop: "SIGTERM", isNode: true },
  );
});

test("stops when asked", async () => {
  await using folder = await projectFolder({ "package.json": "{}", "index.js": "" });
  const manifest = await loadManifest(folder.path);
  const attempt = collectProject(folder.path, manifest, { signal: AbortSignal.abort() });
  const error = await attempt.catch((reason: unknown) => reason);
  assert.is((error as Error).name, "AbortError");
});

test.run();
