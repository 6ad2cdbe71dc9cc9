/** The ordinary files of a guest. */
import * as assert from "uvu/assert";
import {
  baseSystemFiles,
  programSystemFiles,
} from "../../../../image-builder/rootfs/system-files.ts";
import { orderTree, type TreeEntry } from "../../../../image-builder/rootfs/tree.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("system files");

const files = (user: string, env: Record<string, string> = {}) =>
  programSystemFiles({ user, env, runtime: "node" });

function textOf(entries: readonly TreeEntry[], path: string): string | undefined {
  const entry = entries.find((one) => one.path === path);
  return entry?.kind === "file" && entry.source.kind === "bytes"
    ? Buffer.from(entry.source.bytes).toString()
    : undefined;
}

test("a base has certificates where programs look", () => {
  const tree = orderTree(baseSystemFiles());
  const targets = tree.flatMap((entry) => (entry.kind === "symlink" ? [entry.target] : []));
  const certificates = "/etc/ssl/certs/ca-certificates.crt";
  if (targets.length > 0) assert.ok(tree.some(({ path }) => path === certificates));
  assert.ok(targets.every((target) => target === certificates));
});

test("a user's number gets a name, a home and a group", () => {
  const { entries } = files("1234:77");
  assert.match(textOf(entries, "/etc/passwd") ?? "", /\napp:x:1234:77::\/home\/app:\/bin\/sh\n$/);
  assert.match(textOf(entries, "/etc/group") ?? "", /\napp:x:77:\n$/);
  const home = entries.find(({ path }) => path === "/home/app");
  assert.equal(home?.kind === "directory" && home.owner, { uid: 1234, gid: 77 });
  const alone = files("1234").entries;
  assert.match(textOf(alone, "/etc/passwd") ?? "", /\napp:x:1234:0:/);
  assert.is(textOf(alone, "/etc/group"), undefined);
});

test("users that are known need nothing", () => {
  for (const user of ["0", "root", "node", "1000", "65534", "somebody"]) {
    assert.equal(files(user).entries, [], user);
  }
});

test("a zone that no host knows is a warning, and no path", () => {
  assert.match(files("0", { TZ: "Nowhere/City" }).warnings.join(), /time zone "Nowhere\/City"/);
  for (const zone of ["CET-1CEST,M3.5.0", "../../etc/passwd", "/etc/passwd", ""]) {
    assert.equal(files("0", { TZ: zone }), { entries: [], warnings: [] }, zone);
  }
});

test.run();
