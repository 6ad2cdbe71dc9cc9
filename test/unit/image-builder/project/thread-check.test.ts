/** What a manifest and a project say about running as a thread. */
import { writeFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import type { ImageError } from "../../../../image-builder/errors.ts";
import type { Manifest } from "../../../../image-builder/manifest/manifest.ts";
import { checkThread, refuseThread } from "../../../../image-builder/project/thread-check.ts";
import type { TreeEntry } from "../../../../image-builder/rootfs/tree.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("thread check");
const NODE = "/usr/local/bin/node";
const ours = { source: "/p/windlass.yaml", isolation: "thread" } as const;
const manifest = { ...ours, runtime: "node", user: "0" } as Manifest;

function codeOf(action: () => unknown): string {
  try {
    action();
    return "";
  } catch (error) {
    return `${(error as ImageError).code}: ${(error as Error).message}`;
  }
}

function script(path: string, text: string): TreeEntry {
  return { kind: "file", path, mode: 0o644, source: { kind: "bytes", bytes: Buffer.from(text) } };
}

test("another runtime, another user and templates are refused", () => {
  const refused = (change: Partial<Manifest>): string =>
    codeOf(() => refuseThread({ ...manifest, ...change }));
  assert.is(refused({}), "");
  assert.is(refused({ user: "root:0" }), "");
  assert.match(refused({ runtime: "python" }), /^WL_IMAGE_MANIFEST_INVALID: .*only a Node program/);
  assert.match(refused({ user: "node" }), /the agent's user, root, not "node"/);
  assert.match(refused({ template: { auto: true, env: [], args: false } }), /no templates/);
  assert.is(refused({ isolation: "process", runtime: "python", user: "node" }), "");
});

test("a command that is no script of Node's is refused", async () => {
  const check = async (argv: readonly string[]): Promise<string> =>
    await checkThread(ours, { argv, entries: [], nativeAddons: [] }).then(
      () => "",
      (error) => error.message,
    );
  assert.is(await check([NODE, "/app/a.js"]), "");
  assert.match(await check(["/bin/true"]), /only a Node program/);
  assert.match(await check([NODE, "-e", "1"]), /flag -e/);
});

test("sources that use what throws in a thread are named", async () => {
  const entries = [
    script("/app/a.js", "process.chdir('/tmp'); cluster.fork()"),
    script("/app/lib/b.cjs", "process.chdir ('/')"),
    script("/app/node_modules/x/c.js", "process.chdir('/')"),
    script("/app/text.md", "process.chdir('/')"),
  ];
  assert.equal(await checkThread(ours, { argv: [NODE, "/app/a.js"], entries, nativeAddons: [] }), [
    "a.js, lib/b.cjs uses process.chdir, which throws in a thread",
    "a.js uses cluster, whose workers are processes",
  ]);
});

test("addons that are for the first thread only are named", async () => {
  await using folder = await temporaryFolder();
  await writeFile(folder.file("new.node"), "\0napi_register_module_v1\0");
  await writeFile(folder.file("old.node"), "\0node_module_register\0");
  const nativeAddons = ["new", "old"].map((name) => ({
    hostPath: folder.file(`${name}.node`),
    guestPath: `/app/${name}.node`,
  }));
  assert.equal(await checkThread(ours, { argv: [NODE, "/app/a.js"], entries: [], nativeAddons }), [
    "/app/old.node is not context-aware: a thread cannot load it",
  ]);
});

test.run();
