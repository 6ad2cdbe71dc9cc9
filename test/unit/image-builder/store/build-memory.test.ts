import { readdir, writeFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import { BlobStore } from "../../../../image-builder/store/blob-store.ts";
import { BuildMemory } from "../../../../image-builder/store/build-memory.ts";
import { windlassFolders } from "../../../../image-builder/store/folders.ts";
import { suite } from "../../../support/suite.ts";
import { type TemporaryFolder, temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("build memory");

function memoryIn(folder: TemporaryFolder) {
  const blobs = new BlobStore(folder.file("data"));
  const memory = new BuildMemory(folder.file("cache"), blobs);
  let made = 0;
  const recall = (key: string, kind = "program") =>
    memory.recall(kind, key, async () => {
      made += 1;
      return { ...(await blobs.put(Buffer.from(`${kind} ${key}`))), uncompressedBytes: 4096 };
    });
  return { blobs, recall, madeCount: () => made };
}

test("what was made once is not made again", async () => {
  await using folder = await temporaryFolder();
  const { recall, madeCount } = memoryIn(folder);
  const first = await recall("key");
  const second = await recall("key");
  assert.is(first.cached, false);
  assert.equal(second, { part: first.part, cached: true });
  assert.is(madeCount(), 1);
});

test("what was said when it was made is remembered", async () => {
  await using folder = await temporaryFolder();
  const blobs = new BlobStore(folder.file("data"));
  const memory = new BuildMemory(folder.file("cache"), blobs);
  const part = { ...(await blobs.put(Buffer.from("1"))), uncompressedBytes: 1 };
  const made = { ...part, warnings: ["a device is left out"] };
  assert.equal(await memory.recall("program", "key", async () => made), {
    part: made,
    cached: false,
  });
  const again = await memory.recall("program", "key", () => Promise.reject(new Error("made")));
  assert.equal(again, { part: made, cached: true });
});

test("another key or kind is another part", async () => {
  await using folder = await temporaryFolder();
  const { recall, madeCount } = memoryIn(folder);
  const parts = await Promise.all([recall("a"), recall("b"), recall("a", "base")]);
  assert.is(new Set(parts.map(({ part }) => part.digest)).size, 3);
  assert.is(madeCount(), 3);
});

test("a blob that is gone is made again", async () => {
  await using folder = await temporaryFolder();
  const { blobs, recall, madeCount } = memoryIn(folder);
  const { part } = await recall("key");
  await blobs.remove(part.digest);
  assert.is((await recall("key")).cached, false);
  assert.is(madeCount(), 2);
  assert.ok(await blobs.has(part));
});

test("a damaged record is forgotten", async () => {
  await using folder = await temporaryFolder();
  const { recall } = memoryIn(folder);
  const { part } = await recall("key");
  const [name = ""] = await readdir(folder.file("cache/builds"));
  const odd = JSON.stringify({ ...part, warnings: [1] });
  const hostile = [
    "",
    odd,
    "{",
    "null",
    "{}",
    "[]",
    '"text"',
    '{"digest":"../../x","sizeBytes":1}',
  ];
  for (const text of hostile) {
    await writeFile(folder.file(`cache/builds/${name}`), text);
    assert.equal(await recall("key"), { part, cached: false }, text);
  }
  assert.is((await recall("key")).cached, true);
});

test("when making fails, nothing is remembered and nothing stays behind", async () => {
  await using folder = await temporaryFolder();
  const memory = new BuildMemory(folder.file("cache"), new BlobStore(folder.file("data")));
  const reason = new Error("no");
  const failed = memory.recall("base", "key", () => Promise.reject(reason));
  assert.is(await failed.catch((error) => error), reason);
  assert.equal(await readdir(folder.file("cache/builds")).catch(() => []), []);
});

test("folders follow the XDG base directories, or WINDLASS_HOME", () => {
  const own = windlassFolders({
    WINDLASS_HOME: "/w",
    XDG_DATA_HOME: "/d",
    XDG_RUNTIME_DIR: "/run/user/5",
  });
  assert.equal(own, { data: "/w/data", cache: "/w/cache", runtime: "/run/user/5/windlass" });
  const xdg = windlassFolders({ XDG_DATA_HOME: "/d", XDG_CACHE_HOME: "/c" });
  assert.is(xdg.data, "/d/windlass");
  assert.is(xdg.cache, "/c/windlass");
  assert.match(xdg.runtime, /windlass-\d+$/);
  const plain = windlassFolders({ XDG_DATA_HOME: "relative", WINDLASS_HOME: "" });
  assert.match(plain.data, /^\/.*\/\.local\/share\/windlass$/);
  assert.match(plain.cache, /\/\.cache\/windlass$/);
});

test.run();
