import { lstat, mkdir, readdir, readFile, readlink, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { type Header, pack } from "tar-stream";
import * as assert from "uvu/assert";
import { unpackTar } from "../../../../host-tools/cli/tar-unpack.ts";
import { packTar } from "../../../../host-tools/guest-client/tar-pack.ts";
import { suite } from "../../../support/suite.ts";
import { type TemporaryFolder, temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("cli/tar-unpack");
const { signal } = new AbortController();

type Entry = Partial<Header> & Pick<Header, "name"> & { content?: string };

function tar(entries: readonly Entry[]): Readable {
  const archive = pack();
  for (const { content, ...header } of entries) archive.entry(header, content ?? "");
  archive.finalize();
  return Readable.from(archive, { objectMode: false });
}

/** Unpacks into DST beside a file SECRET that nothing may touch. */
async function unpack(folder: TemporaryFolder, entries: readonly Entry[], name = "x") {
  await mkdir(folder.file("dst"), { recursive: true });
  await writeFile(folder.file("secret"), "untouched");
  return await unpackTar(tar(entries), { folder: folder.file("dst"), name, signal });
}

test("keeps modes, times and links, under the new name", async () => {
  await using folder = await temporaryFolder();
  const mtime = new Date("2020-01-02T03:04:05Z");
  const report = await unpack(folder, [
    { name: "app/", type: "directory", mode: 0o750, mtime },
    { name: "app/run", mode: 0o4755, content: "hello", mtime },
    { name: "app/link", type: "symlink", linkname: "/etc/passwd" },
    { name: "app/again", type: "link", linkname: "app/run" },
    { name: "app/fifo", type: "fifo" },
  ]);
  const at = (path: string): string => join(folder.file("dst/x"), path);
  assert.is((await lstat(at("."))).mode & 0o7777, 0o750);
  assert.is((await lstat(at("."))).mtimeMs, mtime.getTime());
  assert.is((await lstat(at("run"))).mode & 0o7777, 0o755, "set-user-id is dropped");
  assert.is((await lstat(at("run"))).nlink, 2);
  assert.is(await readFile(at("again"), "utf8"), "hello");
  assert.is(await readlink(at("link")), "/etc/passwd");
  assert.equal(report.skipped, ["app/fifo"]);
  assert.is(report.entries, 4);
  assert.is(report.sizeBytes, 5);
});

test("writes nothing outside, whatever the archive holds", async () => {
  const out: Entry = { name: "a/evil", content: "evil" };
  const hostile: Record<string, readonly Entry[]> = {
    absolute: [{ name: "/tmp/windlass-evil", content: "evil" }],
    dots: [{ name: "a/../../secret", content: "evil" }],
    "dots at once": [{ name: "../secret", content: "evil" }],
    "through its own link": [
      { name: "a/", type: "directory" },
      { name: "a/out", type: "symlink", linkname: "../.." },
      { name: "a/out/secret", content: "evil" },
    ],
    "folder over its own link": [
      { name: "a/", type: "directory" },
      { name: "a/out", type: "symlink", linkname: "../.." },
      { name: "a/out/deep/", type: "directory" },
    ],
    "hard link out": [{ name: "a/hard", type: "link", linkname: "../../secret" }, out],
    "hard link to nothing": [{ name: "a/hard", type: "link", linkname: "a/none" }],
    "hard link through a link": [
      { name: "a/", type: "directory" },
      { name: "a/out", type: "symlink", linkname: "../.." },
      { name: "a/hard", type: "link", linkname: "a/out/secret" },
    ],
    "file in place of the folder": [{ name: "a", content: "evil" }],
  };
  for (const [what, entries] of Object.entries(hostile)) {
    await using folder = await temporaryFolder();
    const name = what.startsWith("file in place") ? "" : "x";
    const error = await unpack(folder, entries, name).then(
      () => undefined,
      (reason) => reason,
    );
    assert.is(error?.code, "WL_GUEST_PROTOCOL", what);
    assert.is(await readFile(folder.file("secret"), "utf8"), "untouched", what);
    assert.equal((await readdir(folder.path)).sort(), ["dst", "secret"], what);
  }
});

test("a file replaces a link instead of writing through it", async () => {
  await using folder = await temporaryFolder();
  await mkdir(folder.file("dst"));
  await symlink("../secret", folder.file("dst/x"));
  await unpack(folder, [{ name: "a", content: "new" }]);
  assert.is(await readFile(folder.file("secret"), "utf8"), "untouched");
  assert.is(await readFile(folder.file("dst/x"), "utf8"), "new");
});

test("says that a cut archive is damaged and leaves no half file", async () => {
  await using folder = await temporaryFolder();
  const whole = tar([{ name: "a", content: "x".repeat(5000) }]);
  const bytes = Buffer.concat(await whole.toArray());
  const cut = Readable.from([bytes.subarray(0, 2000)]);
  const error = await unpackTar(cut, { folder: folder.path, name: "x", signal }).catch((e) => e);
  assert.is(error.code, "WL_GUEST_PROTOCOL");
  assert.equal(await readdir(folder.path), []);
});

test("an abort ends it and leaves no half file", async () => {
  await using folder = await temporaryFolder();
  const source = new PassThrough();
  const archive = tar([{ name: "a", content: "x".repeat(5000) }]);
  const bytes = Buffer.concat(await archive.toArray());
  source.write(bytes.subarray(0, 2000));
  const controller = new AbortController();
  const unpacking = unpackTar(source, {
    folder: folder.path,
    name: "x",
    signal: controller.signal,
  });
  setImmediate(() => controller.abort(new Error("enough")));
  const error = await unpacking.catch((reason) => reason);
  assert.is(error.message, "enough");
  assert.equal(await readdir(folder.path), []);
});

test("what is packed comes out the same", async () => {
  await using folder = await temporaryFolder();
  await mkdir(folder.file("src/sub"), { recursive: true, mode: 0o700 });
  await mkdir(folder.file("dst"));
  await writeFile(folder.file("src/sub/data"), Buffer.alloc(200_000, 7), { mode: 0o640 });
  await writeFile(folder.file("src/empty"), "", { mode: 0o600 });
  await symlink("sub/data", folder.file("src/link"));
  const onSkip = (): void => {};
  const archive = packTar({ path: folder.file("src"), name: "src", signal, onSkip });
  const report = await unpackTar(archive, { folder: folder.file("dst"), name: "copy", signal });
  assert.is(report.entries, 5);
  assert.is((await readFile(folder.file("dst/copy/sub/data"))).length, 200_000);
  assert.is((await lstat(folder.file("dst/copy/sub/data"))).mode & 0o777, 0o640);
  assert.is((await lstat(folder.file("dst/copy/sub"))).mode & 0o777, 0o700);
  assert.is(await readlink(folder.file("dst/copy/link")), "sub/data");
});

test.run();
