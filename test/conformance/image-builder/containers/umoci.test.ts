/** A layout of two layers that tar and gzip packed: our tree is what umoci unpacks. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  truncateSync,
} from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { readOciLayout } from "../../../../image-builder/containers/oci-layout.ts";
import { unpackContainer } from "../../../../image-builder/containers/unpack.ts";
import { readContentWhole } from "../../../../image-builder/filesystems/file-content.ts";
import type { LinkEntry, TreeEntry } from "../../../../image-builder/rootfs/tree.ts";
import {
  fill,
  packFolder,
  programsMissing,
  writeLayout,
} from "../../../support/container-layout.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("containers and umoci", { timeoutMs: 120_000 });
const missing = programsMissing("umoci");

/** Of a file: mode, links, content; of what has none, as much. */
type Shape = readonly (string | number)[];

function shapesOnDisk(root: string, path = "/", shapes = new Map<string, Shape>()) {
  const facts = lstatSync(join(root, path));
  const { mode, nlink, mtimeMs } = facts;
  const seconds = Math.floor(mtimeMs / 1000);
  if (facts.isSymbolicLink()) shapes.set(path, ["link", readlinkSync(join(root, path))]);
  else if (facts.isDirectory()) {
    shapes.set(path, ["folder", mode & 0o7777]);
    for (const name of readdirSync(join(root, path))) {
      shapesOnDisk(root, join(path, name), shapes);
    }
  } else {
    const hash = createHash("sha256")
      .update(readFileSync(join(root, path)))
      .digest("hex");
    shapes.set(path, ["file", mode & 0o7777, nlink, seconds, hash]);
  }
  return shapes;
}

async function shapesOf(entries: readonly (TreeEntry | LinkEntry)[]) {
  const links = entries.filter((entry) => entry.kind === "link");
  const shapes = new Map<string, Shape>();
  for (const entry of entries) {
    if (entry.path.startsWith("/sbin")) continue;
    if (entry.kind === "symlink") shapes.set(entry.path, ["link", entry.target]);
    if (entry.kind === "directory") shapes.set(entry.path, ["folder", entry.mode]);
    if (entry.kind !== "file") continue;
    const names = links.filter(({ target }) => target === entry.path).map(({ path }) => path);
    const hash = createHash("sha256")
      .update(await readContentWhole(entry))
      .digest("hex");
    const shape = ["file", entry.mode, names.length + 1, entry.modifiedSeconds ?? 0, hash];
    for (const path of [entry.path, ...names]) shapes.set(path, shape);
  }
  return shapes;
}

const body = async (): Promise<void> => {
  await using folder = await temporaryFolder();
  const [one, two] = [folder.file("one"), folder.file("two")];
  const long = `long/${"n".repeat(200)}`;
  fill(one, {
    "bin/su": "su",
    "a/gone": "1",
    "a/stay": "2",
    "o/old": "3",
    "o/deep/x": "4",
    [long]: "5",
  });
  chmodSync(join(one, "bin/su"), 0o4755);
  linkSync(join(one, "bin/su"), join(one, "bin/su2"));
  symlinkSync("bin", join(one, "links"));
  fill(two, {
    "a/.wh.gone": "",
    "o/.wh..wh..opq": "",
    "o/new": "6",
    "bin/added": "7",
    sparse: "x",
  });
  linkSync(join(two, "o/new"), join(two, "again"));
  truncateSync(join(two, "sparse"), 1 << 20);
  const root = { uid: 0, gid: 0 };
  const archives = [packFolder(one, root), packFolder(two, root)];
  writeLayout(folder.file("layout"), archives, { Cmd: ["/bin/sh"] });

  const bundle = folder.file("bundle");
  const image = `${folder.file("layout")}:test`;
  execFileSync("umoci", ["unpack", "--rootless", "--image", image, bundle], { stdio: "pipe" });
  mkdirSync(folder.file("content"));
  const container = await readOciLayout(folder.file("layout"), "test");
  const { entries } = await unpackContainer(container, { folder: folder.file("content") });
  const theirs = [...shapesOnDisk(join(bundle, "rootfs"))].sort();
  const ours = [...(await shapesOf(entries))].sort();
  assert.equal(ours, theirs);
  assert.ok(ours.length > 12);
};

const name = "two layers with whiteouts, links, setuid and sparse files";
if (missing === undefined) test(name, body);
else test.skip(missing, name);

test.run();
