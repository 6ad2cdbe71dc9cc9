/** Ordered trees: parents are there and are folders, however deep the paths are. */
import * as assert from "uvu/assert";
import { orderTree, type TreeEntry } from "../../../../image-builder/rootfs/tree.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("ordered trees");

const file = (path: string): TreeEntry => ({
  ...{ kind: "file", mode: 0o644, path },
  source: { kind: "bytes", bytes: new Uint8Array(0) },
});

test("parents that are missing come before what is in them, each once", () => {
  const tree = orderTree([file("/a/b/c/x"), file("/a/b.c"), file("/a/b/y")]);
  const paths = tree.map(({ kind, path }) => `${kind} ${path}`);
  assert.equal(paths, [
    ...["directory /", "directory /a", "directory /a/b", "directory /a/b/c", "file /a/b/c/x"],
    ...["file /a/b/y", "file /a/b.c"],
  ]);
});

test("what lies below a file is refused, also when folders between are named or missing", () => {
  assert.throws(
    () => orderTree([file("/f"), file("/f/a/b")]),
    /\/f\/a\/b lies below \/f, which is a file/,
  );
  const folder: TreeEntry = { kind: "directory", path: "/f/a", mode: 0o755 };
  for (const entries of [
    [file("/f"), folder, file("/f/a/b")],
    [file("/f/a/b"), folder, file("/f")],
  ]) {
    assert.throws(() => orderTree(entries), /lies below \/f, which is a file/);
  }
});

test.run();
