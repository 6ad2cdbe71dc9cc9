import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdir, readdir, truncate, writeFile } from "node:fs/promises";
import fc from "fast-check";
import * as assert from "uvu/assert";
import { ImageError } from "../../../../image-builder/errors.ts";
import { BlobStore } from "../../../../image-builder/store/blob-store.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("blob store");

const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex");

async function refusal(work: Promise<unknown>): Promise<ImageError> {
  const error = await work.then(
    () => assert.unreachable("was accepted"),
    (caught) => caught,
  );
  assert.instance(error, ImageError, String(error));
  return error as ImageError;
}

test("what is put comes back under its digest", async () => {
  await using folder = await temporaryFolder();
  const store = new BlobStore(folder.path);
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
      const part = await store.put(bytes);
      assert.is(part.sizeBytes, bytes.length);
      assert.is(part.digest, createHash("sha256").update(bytes).digest("hex"));
      assert.ok(await store.has(part));
      assert.equal(new Uint8Array(await store.read(part)), bytes);
    }),
    { numRuns: 30 },
  );
});

test("a digest that is none is a mistake of the caller", () => {
  const store = new BlobStore("/nowhere");
  for (const digest of ["", "../../etc/passwd", "A".repeat(64), "a".repeat(63), "a".repeat(65)]) {
    assert.throws(() => store.path(digest), /is not a SHA-256 digest/);
  }
});

test("a blob that is missing, cut off or changed is refused with the way out", async () => {
  await using folder = await temporaryFolder();
  const store = new BlobStore(folder.path);
  const part = await store.put(Buffer.from("content"));
  await writeFile(store.path(part.digest), "CONTENT");
  const changed = await refusal(store.read(part));
  assert.is(changed.code, "WL_IMAGE_STORE");
  assert.match(changed.message, /has other content/);
  assert.is(changed.facts.next, "Build the image again");
  await truncate(store.path(part.digest), 3);
  assert.not.ok(await store.has(part));
  assert.is((await refusal(store.read(part))).code, "WL_IMAGE_STORE");
  await store.remove(part.digest);
  assert.match((await refusal(store.read(part))).message, /cannot be read/);
});

test("a blob of the wrong size is written anew", async () => {
  await using folder = await temporaryFolder();
  const store = new BlobStore(folder.path);
  const part = await store.put(Buffer.from("content"));
  await truncate(store.path(part.digest), 3);
  await store.put(Buffer.from("content"));
  assert.is(String(await store.read(part)), "content");
});

test("writers of the same content at once all succeed and leave one blob", async () => {
  await using folder = await temporaryFolder();
  const writers = Array.from({ length: 20 }, (_none, index) =>
    new BlobStore(folder.path).write(async (path) => {
      await writeFile(path, "same");
      return { digest: digestOf("same"), sizeBytes: 4, index };
    }),
  );
  const parts = await Promise.all(writers);
  assert.equal(
    parts.map(({ index }) => index),
    [...parts.keys()],
  );
  assert.equal(await readdir(folder.file("blobs/sha256")), [digestOf("same")]);
});

test("a writer that fails leaves nothing behind, and its error passes", async () => {
  await using folder = await temporaryFolder();
  const store = new BlobStore(folder.path);
  const reason = new Error("no more");
  const failing = store.write(async (path) => {
    await writeFile(path, "half");
    throw reason;
  });
  assert.is(await failing.catch((error) => error), reason);
  assert.equal(await readdir(folder.file("blobs/sha256")), []);
});

test("what a killed writer left is no blob, and can be removed", async ({ signal }) => {
  await using folder = await temporaryFolder();
  const store = new BlobStore(folder.path);
  const part = await store.put(Buffer.from("whole"));
  const child = await killedWriter(folder.path, signal);
  assert.is(child.signalCode, "SIGKILL");
  assert.is((await readdir(folder.file("blobs/sha256"))).length, 2);
  assert.equal(await store.list(), [part.digest]);
  await store.removeRemains();
  assert.equal(await readdir(folder.file("blobs/sha256")), [part.digest]);
});

/** A process that is killed while it writes a blob. */
async function killedWriter(folder: string, signal: AbortSignal): Promise<ChildProcess> {
  const module = new URL("../../../../image-builder/store/blob-store.ts", import.meta.url).href;
  const program = `
    import { writeFile } from "node:fs/promises";
    const { BlobStore } = await import(${JSON.stringify(module)});
    await new BlobStore(${JSON.stringify(folder)}).write(async (path) => {
      await writeFile(path, "half");
      process.stdout.write("half");
      setInterval(() => undefined, 1000);
      await new Promise(() => undefined);
    });
  `;
  const argv = ["--import", "tsx", "--input-type=module", "-e", program];
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data", { signal });
  child.kill("SIGKILL");
  await once(child, "close", { signal });
  return child;
}

test("removing says how many bytes that gave back", async () => {
  await using folder = await temporaryFolder();
  const store = new BlobStore(folder.path);
  const { digest } = await store.put(Buffer.from("12345"));
  assert.is(await store.remove(digest), 5);
  assert.is(await store.remove(digest), 0);
});

test("a store whose folder cannot be made says so", async () => {
  await using folder = await temporaryFolder();
  await writeFile(folder.file("blobs"), "a file");
  const error = await refusal(new BlobStore(folder.path).put(Buffer.from("x")));
  assert.is(error.code, "WL_IMAGE_IO");
  assert.ok(error.facts.next);
});

if (process.getuid?.() === 0) {
  test.skip("root may write everywhere", "a read-only store is refused as such");
} else {
  test("a read-only store is refused as such", async () => {
    await using folder = await temporaryFolder();
    await mkdir(folder.file("blobs/sha256"), { recursive: true });
    await chmod(folder.file("blobs/sha256"), 0o500);
    try {
      const error = await refusal(new BlobStore(folder.path).put(Buffer.from("x")));
      assert.is(error.code, "WL_IMAGE_IO");
      assert.match(error.message, /permission denied/);
    } finally {
      await chmod(folder.file("blobs/sha256"), 0o700);
    }
  });
}

test.run();
