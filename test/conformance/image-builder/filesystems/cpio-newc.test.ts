/** Our cpio archives against GNU cpio, and its archives against our reader. */
import { spawnSync } from "node:child_process";
import { lstat, mkdir, readdir, readFile, readlink, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { readCpio, writeCpio } from "../../../../image-builder/filesystems/cpio-newc.ts";
import { orderTree, type Tree } from "../../../../image-builder/rootfs/tree.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("cpio and GNU cpio");
const available = spawnSync("cpio", ["--version"]).error === undefined;

function check(name: string, body: () => Promise<void>): void {
  if (available) test(name, body);
  else test.skip("cpio not installed", name);
}

const tree: Tree = orderTree([
  { kind: "directory", path: "/dir", mode: 0o700 },
  ...["plain", "new\nline", 'quo"te', "é", "x".repeat(255)].map((name, size) => ({
    kind: "file" as const,
    path: `/dir/${name}`,
    mode: 0o640 + size,
    source: { kind: "bytes" as const, bytes: new Uint8Array(size).fill(65) },
  })),
  { kind: "symlink", path: "/link", target: "dir/é" },
]);

check("cpio -i unpacks our archive", async () => {
  await using folder = await temporaryFolder();
  const { status, stderr } = spawnSync("cpio", ["-i", "--quiet", "--no-absolute-filenames"], {
    cwd: folder.path,
    input: await writeCpio(tree),
  });
  assert.is(status, 0, `${stderr}`);
  assert.is(`${stderr}`, "");
  for (const entry of tree) {
    const path = join(folder.path, entry.path);
    const stat = await lstat(path);
    if (entry.kind === "symlink") assert.is(await readlink(path), entry.target);
    else if (entry.path !== "/") assert.is(stat.mode & 0o7777, entry.mode, entry.path);
    if (entry.kind === "file" && entry.source.kind === "bytes") {
      assert.equal(await readFile(path), Buffer.from(entry.source.bytes));
    }
  }
  assert.equal((await readdir(folder.path)).sort(), ["dir", "link"]);
});

check("we read what cpio -o -H newc writes", async () => {
  await using folder = await temporaryFolder();
  for (const entry of tree) {
    const path = join(folder.path, entry.path);
    if (entry.kind === "symlink") await symlink(entry.target, path);
    else if (entry.kind === "file" && entry.source.kind === "bytes") {
      await writeFile(path, entry.source.bytes, { mode: entry.mode });
    } else if (entry.path !== "/") await mkdir(path, { mode: 0o700 });
  }
  const names = tree.map((entry) => `.${entry.path}`).join("\0");
  const flags = ["-o", "-0", "--quiet", "-H", "newc", "--reproducible"];
  const { status, stdout } = spawnSync("cpio", flags, { cwd: folder.path, input: names });
  assert.is(status, 0);
  // GNU cpio moves nothing but hard links.
  const members = readCpio(stdout).filter((entry) => entry.path !== "/");
  assert.equal(
    members.map((entry) => entry.path),
    tree.map((entry) => entry.path).filter((path) => path !== "/"),
  );
  assert.equal(
    members.filter((entry) => entry.kind !== "file"),
    tree.filter((entry) => entry.kind !== "file" && entry.path !== "/"),
  );
});

test.run();
