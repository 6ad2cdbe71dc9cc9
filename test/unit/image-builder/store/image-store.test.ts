import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import fc from "fast-check";
import * as assert from "uvu/assert";
import { ImageError } from "../../../../image-builder/errors.ts";
import { imageName, imageParts } from "../../../../image-builder/store/image.ts";
import { ImageStore } from "../../../../image-builder/store/image-store.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";
import { storedConfig } from "./store-fixture.ts";

const test = suite("image store");

async function refusal(work: Promise<unknown>): Promise<ImageError> {
  const error = await work.then(
    () => assert.unreachable("was accepted"),
    (caught) => caught,
  );
  assert.instance(error, ImageError, String(error));
  assert.is((error as ImageError).code, "WL_IMAGE_STORE");
  return error as ImageError;
}

async function stored(store: ImageStore, name: string, text = name) {
  await using _lock = await store.lock({ shared: true });
  return await store.add(await storedConfig(store, text), name);
}

test("names are Docker's, with the tag latest when there is none", () => {
  assert.is(imageName("hello"), "hello:latest");
  assert.is(imageName("a.b/c_d-e--f:V1.2"), "a.b/c_d-e--f:V1.2");
  const bad = [
    "",
    ":",
    "hello:",
    ":1",
    "Hello",
    "-a",
    "a-",
    "a//b/",
    "a b",
    "a:b:c/d",
    "ä",
    "../a",
  ];
  for (const name of [...bad, "a\nb", "a:\ud800", `a:${"x".repeat(129)}`, "a".repeat(300)]) {
    const check = (): string => imageName(name);
    assert.throws(check, (error: ImageError) => error.code === "WL_IMAGE_STORE", name);
  }
});

test("every name that is accepted can be stored and found", async () => {
  await using folder = await temporaryFolder();
  const store = new ImageStore(folder.path);
  const { id } = await stored(store, "first");
  const word = fc.stringMatching(/^[a-z0-9]{1,60}$/);
  const name = fc.array(word, { minLength: 1, maxLength: 5 }).map((words) => words.join("/"));
  const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/);
  await fc.assert(
    fc.asyncProperty(name, tag, async (left, right) => {
      let full: string;
      try {
        full = imageName(`${left}:${right}`);
      } catch (error) {
        assert.match((error as Error).message, /too long/);
        return;
      }
      await store.tag(id, full);
      assert.is((await store.get(full)).id, id);
    }),
    { numRuns: 30 },
  );
});

test("an image is found by its name and by the begin of its id", async () => {
  await using folder = await temporaryFolder();
  const store = new ImageStore(folder.path);
  const image = await stored(store, "hello");
  assert.equal(image.names, ["hello:latest"]);
  for (const reference of ["hello", "hello:latest", image.id, image.id.slice(0, 4)]) {
    assert.equal(await store.get(reference), image, reference);
  }
  for (const reference of ["hello:2", "other", image.id.slice(0, 3), "Bad Name", ""]) {
    assert.is(await store.find(reference), undefined, reference);
    assert.match((await refusal(store.get(reference))).message, /There is no image/);
  }
});

test("the begin of several ids is refused", async () => {
  await using folder = await temporaryFolder();
  const store = new ImageStore(folder.path);
  await mkdir(folder.file("pins"), { recursive: true });
  for (const end of ["0", "1"]) {
    await writeFile(folder.file(`pins/${end}`), "abcdef".padEnd(63, "0") + end);
  }
  assert.match((await refusal(store.get("abcdef"))).message, /Several images/);
});

test("the same configuration is the same image, under as many names as are given", async () => {
  await using folder = await temporaryFolder();
  const store = new ImageStore(folder.path);
  const one = await stored(store, "b", "same");
  const two = await stored(store, "a", "same");
  await store.tag(one.id, "c:3");
  assert.is(one.id, two.id);
  assert.equal(
    (await store.list()).map(({ names }) => names),
    [["a:latest", "b:latest", "c:3"]],
  );
  assert.is((await refusal(store.tag("f".repeat(64), "d"))).code, "WL_IMAGE_STORE");
});

test("a name that goes to another image leaves the old one to prune", async () => {
  await using folder = await temporaryFolder();
  const store = new ImageStore(folder.path);
  const old = await stored(store, "hello", "one");
  const young = await stored(store, "hello", "two");
  assert.equal(await store.list(), [young]);
  const report = await store.prune();
  assert.equal(report.removedImages, [old.id]);
  assert.ok(report.freedBytes > 0);
  assert.not.ok(await store.blobs.has(old.config.root));
  for (const part of Object.values(imageParts(young.config)))
    assert.ok(await store.blobs.has(part));
  assert.equal((await store.prune()).removedImages, []);
});

test("removing an image takes what nothing else needs", async () => {
  await using folder = await temporaryFolder();
  const store = new ImageStore(folder.path);
  const one = await stored(store, "one");
  const two = await stored(store, "two");
  const report = await store.remove("one");
  assert.equal(report.removedImages, [one.id]);
  assert.not.ok(await store.blobs.has(one.config.root));
  assert.ok(await store.blobs.has(two.config.base));
  await store.remove(two.id.slice(0, 12));
  assert.equal(await store.blobs.list(), []);
  assert.equal(await readdir(folder.file("names")), []);
  await refusal(store.remove("one"));
});

test("of several names one can be removed; by id they all go", async () => {
  await using folder = await temporaryFolder();
  const store = new ImageStore(folder.path);
  const { id } = await stored(store, "a");
  await store.tag(id, "b");
  await store.tag(id, "c");
  assert.equal((await store.remove("b")).removedImages, []);
  assert.equal((await store.get(id)).names, ["a:latest", "c:latest"]);
  assert.equal((await store.remove(id)).removedImages, [id]);
});

test("an image in use stays, with force all but its name", async () => {
  await using folder = await temporaryFolder();
  const store = new ImageStore(folder.path);
  const image = await stored(store, "hello");
  await store.pin("0123456789ab", image.id);
  const error = await refusal(store.remove("hello"));
  assert.match(error.message, /1 instance\(s\) use it: 0123456789ab/);
  assert.equal((await store.remove("hello", { force: true })).removedImages, []);
  assert.equal(await store.list(), [{ ...image, names: [] }]);
  assert.equal(await store.read(image.id), { ...image, names: [] });
  assert.equal((await store.prune()).removedImages, []);
  await store.unpin("0123456789ab");
  await store.unpin("0123456789ab");
  assert.equal((await store.prune()).removedImages, [image.id]);
  assert.match((await refusal(store.read(image.id))).message, /is gone from the store/);
});

test("a blob that is being added is safe from prune", async ({ signal }) => {
  await using folder = await temporaryFolder();
  const store = new ImageStore(folder.path);
  const lock = await store.lock({ shared: true });
  const config = await storedConfig(store);
  const pruned = new ImageStore(folder.path).prune();
  const image = await store.add(config, "hello");
  await lock.close();
  assert.equal((await pruned).removedImages, []);
  assert.equal(await store.list(), [image]);
  await using _next = await store.lock({ shared: false, signal });
});

test("prune removes what crashes left behind", async () => {
  await using folder = await temporaryFolder();
  const store = new ImageStore(folder.path);
  const image = await stored(store, "hello");
  await store.pin("0123456789ab", image.id);
  for (const place of ["blobs/sha256", "names", "pins"]) {
    await writeFile(folder.file(`${place}/.new-99-x`), "half");
  }
  const orphan = await store.blobs.put(Buffer.from("an orphan"));
  assert.equal(await store.list(), [image]);
  const { freedBytes } = await store.prune();
  assert.is(freedBytes, orphan.sizeBytes);
  for (const place of ["blobs/sha256", "names", "pins"]) {
    const names = await readdir(folder.file(place));
    assert.not.ok(
      names.some((name) => name.startsWith(".new-")),
      place,
    );
  }
});

test("files that are none of ours, and empty ones, do no harm", async () => {
  await using folder = await temporaryFolder();
  const store = new ImageStore(folder.path);
  const image = await stored(store, "hello");
  await writeFile(folder.file("names/100%"), image.id);
  await writeFile(folder.file("names/empty%3Alatest"), "");
  await writeFile(folder.file("names/text%3Alatest"), "not an id");
  await writeFile(folder.file("blobs/sha256/README"), "text");
  assert.equal(await store.list(), [image]);
  await store.prune();
  assert.equal(await store.get("hello"), image);
});

test("an image whose configuration is gone is no image; one that cannot be read keeps its parts", async () => {
  await using folder = await temporaryFolder();
  const store = new ImageStore(folder.path);
  const image = await stored(store, "hello");
  const path = store.blobs.path(image.id);
  await rm(path);
  assert.equal(await store.list(), []);
  // A folder in its place cannot be read as a file, as with a disk that fails.
  await mkdir(path);
  const error = await store.prune().catch((caught) => caught);
  assert.is(error.code, "WL_IMAGE_IO");
  assert.ok(await store.blobs.has(image.config.root));
});

test("a store that was never used is empty", async () => {
  await using folder = await temporaryFolder();
  const store = new ImageStore(folder.file("never"));
  assert.equal(await store.list(), []);
  assert.is(await store.find("hello"), undefined);
  assert.equal(await store.prune(), { removedImages: [], freedBytes: 0 });
});

test.run();
