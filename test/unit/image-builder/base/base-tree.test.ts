import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import * as assert from "uvu/assert";
import { wrapped } from "../../../../guest/init/agent-loader.ts";
import { resolveUser } from "../../../../guest/init/user-database.ts";
import { agentCodeCache } from "../../../../image-builder/base/agent-cache.ts";
import { BASE_GUEST_FILES, baseEntries } from "../../../../image-builder/base/base-tree.ts";
import { ImageError } from "../../../../image-builder/errors.ts";
import {
  type FileEntry,
  orderTree,
  type TreeEntry,
} from "../../../../image-builder/rootfs/tree.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("base");

const BUNDLE = Buffer.from(`
function used(a) { return { sum: a + 1, text: "a \\u00fc string" }; }
exports.createAgent = async () => used(41);
exports.names = Object.keys({ alpha: 1, beta: 2, gamma: 3 });
used(1);
`);
const GUEST_PATH = "/usr/lib/windlass/agent.js";

async function entriesOf(): Promise<readonly TreeEntry[]> {
  await using folder = await temporaryFolder();
  await writeFile(folder.file("agent.js"), BUNDLE);
  await writeFile(folder.file("init.js"), "init");
  for (const name of BASE_GUEST_FILES.slice(2)) await writeFile(folder.file(name), name);
  return await baseEntries({
    guestFolder: folder.path,
    nodePath: process.execPath,
    nodeGuestPath: "/usr/local/bin/node",
  });
}

function textOf(entries: readonly TreeEntry[], path: string): string {
  const found = entries.find(
    (entry): entry is FileEntry => entry.kind === "file" && entry.path === path,
  );
  if (found?.source.kind !== "bytes") return assert.unreachable(`${path} is missing`) as never;
  return Buffer.from(found.source.bytes).toString("latin1");
}

test("what process 1 starts, and what the agent needs, is in the tree", async () => {
  const entries = await entriesOf();
  const init = textOf(entries, "/init");
  for (const word of ["/usr/local/bin/node\0", "/usr/lib/windlass/init.js\0"]) {
    assert.ok(init.includes(word), word);
  }
  for (const name of ["init.js", "agent.js", "koffi.node", "preload.cjs", "kernel-random.node"])
    textOf(entries, `/usr/lib/windlass/${name}`);
  textOf(entries, "/sbin/windlass-tty");
  const executables = entries.filter(
    (entry) => entry.kind === "file" && (entry.mode & 0o111) !== 0,
  );
  assert.equal(
    executables.map(({ path }) => path),
    [
      "/init",
      "/sbin/windlass-tty",
      "/sbin/windlass-wake",
      "/sbin/windlass-trim",
      "/sbin/windlass-user",
    ],
  );
  // Every folder that process 1 mounts something on, or that the first stage moves to.
  const paths = orderTree(entries).map(({ path }) => path);
  for (const path of ["/dev", "/proc", "/run", "/sys", "/tmp", "/app"])
    assert.ok(paths.includes(path), path);
});

test("windlass/guest is found from everywhere, in either module system", async () => {
  await using folder = await temporaryFolder();
  const root = "/node_modules/windlass";
  const entries = await entriesOf();
  for (const entry of entries.filter(({ path }) => path.startsWith(root))) {
    const path = folder.file(entry.path);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, textOf(entries, entry.path));
  }
  const from = createRequire(folder.file("app/main.js"));
  assert.is(from.resolve("windlass/guest"), folder.file(`${root}/guest.cjs`));
  await mkdir(folder.file("app"));
  await writeFile(
    folder.file("app/main.mjs"),
    'console.log(import.meta.resolve("windlass/guest"))',
  );
  const found = execFileSync(process.execPath, [folder.file("app/main.mjs")], { encoding: "utf8" });
  assert.is(found, `file://${folder.file(`${root}/guest.js`)}\n`);
});

test("the users that are promised are there", async () => {
  const entries = await entriesOf();
  const find = (user: string) =>
    resolveUser(user, textOf(entries, "/etc/passwd"), textOf(entries, "/etc/group"));
  assert.equal(find("root"), { uid: 0, gid: 0, home: "/root" });
  assert.equal(find("node"), { uid: 1000, gid: 1000, home: "/home/node" });
  assert.is(find("nobody").uid, 65_534);
  assert.is(find("node:tty").gid, 5);
});

test("the same sources give the same entries", async () => {
  assert.equal(orderTree(await entriesOf()), orderTree(await entriesOf()));
});

test("V8 takes the code cache, in a process without flags and with the agent's own wrapper", async () => {
  await using folder = await temporaryFolder();
  const cache = await agentCodeCache({
    bundle: BUNDLE,
    guestPath: GUEST_PATH,
    nodePath: process.execPath,
  });
  assert.ok(cache.length > 0);
  await writeFile(folder.file("source"), wrapped(BUNDLE.toString("latin1")));
  await writeFile(folder.file("cache"), cache);
  const script = `
    const { readFileSync } = require("node:fs");
    const [source, cachedData] = ["source", "cache"].map((name) => readFileSync(process.argv[1] + "/" + name));
    const options = { filename: "${GUEST_PATH}", cachedData };
    const script = new (require("node:vm").Script)(source.toString("latin1"), options);
    const bundle = { exports: {} };
    script.runInThisContext()(bundle.exports, require, bundle);
    console.log(script.cachedDataRejected, bundle.exports.names.join());
  `;
  for (let run = 0; run < 3; run += 1) {
    const said = execFileSync(process.execPath, ["-e", script, folder.path], {
      env: {},
      encoding: "utf8",
    });
    assert.is(said, "false alpha,beta,gamma\n");
  }
});

test("a Node that does not run here is an error, an abort is the caller's", async () => {
  const options = { bundle: BUNDLE, guestPath: GUEST_PATH };
  const error = await agentCodeCache({ ...options, nodePath: "/bin/false" }).catch(
    (caught) => caught,
  );
  assert.instance(error, ImageError);
  assert.is(error.code, "WL_IMAGE_RUNTIME_UNAVAILABLE");
  const reason = new Error("stop");
  const aborted = agentCodeCache({
    ...options,
    nodePath: process.execPath,
    signal: AbortSignal.abort(reason),
  });
  assert.is(await aborted.catch((caught) => caught), reason);
});

test.run();
