import { readdir, readFile, writeFile } from "node:fs/promises";
import * as fc from "fast-check";
import * as assert from "uvu/assert";
import { ImageError } from "../../../../image-builder/errors.ts";
import { openErofs, readErofs } from "../../../../image-builder/filesystems/erofs-reader.ts";
import {
  type ErofsOptions,
  writeErofs,
} from "../../../../image-builder/filesystems/erofs-writer.ts";
import { imageBytesOf } from "../../../../image-builder/filesystems/image-bytes.ts";
import { orderTree, type Tree, type TreeEntry } from "../../../../image-builder/rootfs/tree.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("erofs", { timeoutMs: 60_000 });

const LZ4: ErofsOptions = { compression: "lz4", workerCount: 0 };
const NONE: ErofsOptions = { compression: "none" };

const name = fc
  .oneof(
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }),
    fc.constantFrom("-", "!", "a\nb", 'it\'s "x"', "é", "…", "A", "a", "x".repeat(255)),
  )
  .map((text) => Buffer.from(text).toString().replaceAll(/[/\0]/g, "_"))
  .filter((text) => text !== "." && text !== "..");
const content = fc.oneof(
  fc.uint8Array({ maxLength: 100 }),
  fc.tuple(fc.nat(255), fc.nat(20_000)).map(([byte, size]) => new Uint8Array(size).fill(byte)),
  fc.tuple(fc.nat(), fc.nat(20_000), fc.constantFrom(3, 255)).map(noise),
  fc.tuple(fc.nat(), fc.constantFrom(4064, 4065, 4096, 4161, 8192), fc.constant(3)).map(noise),
);
const tree: fc.Arbitrary<Tree> = fc
  .array(
    fc.record({
      folder: fc.constantFrom("", "/a", "/a/b", "/a b"),
      name,
      mode: fc.nat(0o7777),
      body: fc.oneof(content, fc.string({ minLength: 1, maxLength: 80 }), fc.constant(undefined)),
    }),
    { maxLength: 12 },
  )
  .map((items) => {
    const entries = items.map(({ folder, name: last, mode, body }) =>
      entryOf(`${folder}/f${last}`.slice(0, 200), mode, body),
    );
    return orderTree([{ kind: "directory", path: "/", mode: 0o755 }, ...entries]);
  });

test("any tree is read back as it was, compressed or not", async () => {
  await using folder = await temporaryFolder();
  const target = folder.file("image");
  const cluster = fc.constantFrom(4096, 8192, 65_536);
  await fc.assert(
    fc.asyncProperty(tree, fc.boolean(), cluster, async (entries, lz4, clusterSizeBytes) => {
      await writeErofs(entries, target, { ...(lz4 ? LZ4 : NONE), clusterSizeBytes });
      await expectTree(target, entries);
    }),
    { numRuns: 60 },
  );
});

test("directories of many blocks keep every name", async () => {
  await using folder = await temporaryFolder();
  const files = Array.from({ length: 500 }, (_, index) => {
    const long = index % 3 === 0 ? "y".repeat(200) : "";
    return entryOf(`/many/${long}${index}`, 0o644, Buffer.from(`${index}`));
  });
  const entries = orderTree(files);
  await writeErofs(entries, folder.file("image"), LZ4);
  await expectTree(folder.file("image"), entries);
});

test("the same tree gives the same bytes, whatever the threads and the place", async () => {
  await using folder = await temporaryFolder();
  const big = noise([7, 9 * 1024 * 1024, 15]);
  await writeFile(folder.file("source"), big);
  const source = { kind: "path", path: folder.file("source"), sizeBytes: big.length } as const;
  const fromPath = orderTree([{ kind: "file", path: "/big", mode: 0o644, source }]);
  const fromBytes = orderTree([entryOf("/big", 0o644, big)]);
  const digests = new Set<string>();
  for (const [index, workerCount] of [0, 1, 3].entries()) {
    for (const entries of [fromPath, fromBytes]) {
      const options = { compression: "lz4", workerCount } as const;
      const image = await writeErofs(entries, folder.file(`image${index}`), options);
      assert.is(image.uncompressedBytes, big.length);
      assert.ok(image.sizeBytes < big.length);
      digests.add(image.digest);
    }
  }
  assert.is(digests.size, 1);
  await expectTree(folder.file("image2"), fromBytes);
});

test("a symlink of any length is read back", async () => {
  await using folder = await temporaryFolder();
  const targets = [1, 4063, 4064, 4065, 4095].map((size) => "t".repeat(size));
  const entries = orderTree(
    targets.map((target, index) => ({ kind: "symlink", path: `/l${index}`, target })),
  );
  await writeErofs(entries, folder.file("image"), NONE);
  await expectTree(folder.file("image"), entries);
});

test("paths are followed through symlinks, and loops end", async () => {
  await using folder = await temporaryFolder();
  const entries = orderTree([
    entryOf("/usr/lib/x", 0o644, Buffer.from("found")),
    { kind: "symlink", path: "/lib", target: "usr/lib" },
    { kind: "symlink", path: "/usr/up", target: "../lib/./x" },
    { kind: "symlink", path: "/abs", target: "/usr/up" },
    { kind: "symlink", path: "/loop", target: "loop" },
    { kind: "symlink", path: "/above", target: "../../../lib/x" },
  ]);
  await writeErofs(entries, folder.file("image"), { ...NONE, label: "root" });
  await using reader = await openErofs(folder.file("image"));
  assert.is(reader.label, "root");
  for (const path of ["/lib/x", "/usr/up", "/abs", "/above", "lib//x", "/lib/../lib/x"]) {
    assert.is((await bytesOf(reader.readFile(path))).toString(), "found", path);
  }
  assert.is(await reader.readlink("/abs"), "/usr/up");
  assert.is((await reader.stat("/lib")).kind, "symlink");
  assert.equal(
    (await reader.list("/lib")).map((entry) => entry.name),
    ["x"],
  );
  await expectCode(bytesOf(reader.readFile("/loop")), "WL_IMAGE_STORE", /too many symlinks/);
  await expectCode(bytesOf(reader.readFile("/nope")), "WL_IMAGE_STORE", /no such file/);
  await expectCode(bytesOf(reader.readFile("/lib")), "WL_IMAGE_STORE", /not a file/);
  await expectCode(reader.stat("/usr/lib/x/y"), "WL_IMAGE_STORE", /not a directory/);
});

test("what Linux could not hold is refused by name, and nothing is left", async () => {
  await using folder = await temporaryFolder();
  const cases: Array<[TreeEntry, RegExp]> = [
    [entryOf(`/${"é".repeat(128)}`, 0o644, new Uint8Array(0)), /256 bytes/],
    [{ kind: "symlink", path: "/l", target: "t".repeat(4096) }, /4096 bytes/],
    [{ kind: "symlink", path: "/l", target: "" }, /0 bytes/],
  ];
  for (const [entry, message] of cases) {
    const writing = writeErofs(orderTree([entry]), folder.file("image"), LZ4);
    await expectCode(writing, "WL_IMAGE_PROJECT_INVALID", message);
  }
  assert.equal(await readdir(folder.path), []);
});

test("a source that is gone or has another size is refused, and nothing is left", async () => {
  await using folder = await temporaryFolder();
  await writeFile(folder.file("source"), "twelve bytes");
  await using images = await temporaryFolder();
  const cases: Array<[string, number, RegExp]> = [
    ["missing", 10, /ENOENT/],
    ["source", 11, /changed its size/],
    ["source", 100_000, /changed its size/],
  ];
  for (const [file, sizeBytes, message] of cases) {
    const source = { kind: "path", path: folder.file(file), sizeBytes } as const;
    const entries = orderTree([{ kind: "file", path: "/f", mode: 0o644, source }]);
    for (const options of [LZ4, NONE]) {
      const writing = writeErofs(entries, images.file("image"), options);
      await expectCode(writing, "WL_IMAGE_PROJECT_INVALID", message);
    }
  }
  assert.equal(await readdir(images.path), []);
});

test("a target that cannot be written is WL_IMAGE_IO", async () => {
  await using folder = await temporaryFolder();
  const writing = writeErofs(orderTree([root()]), folder.file("no/such/folder/image"), NONE);
  await expectCode(writing, "WL_IMAGE_IO", /no such file or directory/);
});

test("an aborted write leaves the old image", async () => {
  await using folder = await temporaryFolder();
  await writeFile(folder.file("image"), "old");
  const abort = new AbortController();
  const entries = orderTree([entryOf("/f", 0o644, noise([1, 3_000_000, 3]))]);
  const writing = writeErofs(entries, folder.file("image"), { ...LZ4, signal: abort.signal });
  abort.abort(new Error("stopped"));
  const message = await writing.then(
    () => "written",
    (error: Error) => error.message,
  );
  assert.is(message, "stopped");
  assert.equal(await readdir(folder.path), ["image"]);
  assert.is(await readFile(folder.file("image"), "utf8"), "old");
});

test("options out of range are programmer errors", async () => {
  const wrong: Partial<ErofsOptions>[] = [
    { clusterSizeBytes: 0 },
    { clusterSizeBytes: 5000 },
    { clusterSizeBytes: 2 * 1024 * 1024 },
    { label: "seventeen bytes!!" },
  ];
  for (const options of wrong) {
    const writing = writeErofs(orderTree([root()]), "/nonexistent/image", { ...LZ4, ...options });
    const error = await writing.catch((reason: unknown) => reason);
    assert.instance(error, RangeError);
  }
});

test("a damaged image is refused or read, never worse", async () => {
  await using folder = await temporaryFolder();
  const entries = orderTree([
    entryOf("/packed", 0o644, noise([3, 100_000, 3])),
    entryOf("/flat", 0o644, noise([4, 5000, 255])),
    entryOf("/dir/small", 0o600, Buffer.from("small")),
    { kind: "symlink", path: "/dir/link", target: "small" },
  ]);
  await writeErofs(entries, folder.file("image"), { ...LZ4, clusterSizeBytes: 16_384 });
  const image = await readFile(folder.file("image"));
  const metaAt = image.readUInt32LE(1024 + 40) * 4096;
  const positions = fc.oneof(
    fc.integer({ min: metaAt, max: image.length - 1 }),
    fc.integer({ min: 1028, max: 1160 }),
    fc.nat(image.length - 1),
  );
  const damage = fc.array(fc.tuple(positions, fc.nat(255)), { minLength: 1, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(damage, fc.boolean(), async (changes, cut) => {
      const hurt = Buffer.from(image);
      for (const [at, value] of changes) hurt[at] = value;
      // Without the checksum flag the reader gets past the super block.
      hurt[1024 + 8] = 0;
      const end = cut ? (changes[0]?.[0] ?? 0) : hurt.length;
      try {
        await readAll(hurt.subarray(0, end));
      } catch (error) {
        assert.instance(error, ImageError, `${(error as Error).stack}`);
        assert.is((error as ImageError).code, "WL_IMAGE_STORE");
      }
    }),
    { numRuns: 400 },
  );
});

test("a super block with a wrong checksum is refused", async () => {
  await using folder = await temporaryFolder();
  await writeErofs(orderTree([root()]), folder.file("image"), NONE);
  const image = await readFile(folder.file("image"));
  image[2000] = 1;
  await expectCode(readErofs(imageBytesOf(image)), "WL_IMAGE_STORE", /checksum/);
  await expectCode(readErofs(imageBytesOf(image.subarray(0, 100))), "WL_IMAGE_STORE", /no erofs/);
});

function root(): TreeEntry {
  return { kind: "directory", path: "/", mode: 0o755 };
}

/** Bytes: a file; text: a symlink; nothing: a directory. */
function entryOf(path: string, mode: number, body: Uint8Array | string | undefined): TreeEntry {
  if (body === undefined) return { kind: "directory", path, mode };
  if (typeof body === "string")
    return { kind: "symlink", path, target: Buffer.from(body).toString() };
  return { kind: "file", path, mode, source: { kind: "bytes", bytes: body } };
}

/** Pseudo-random bytes; a mask of few bits makes them compressible. */
function noise([seed, size, mask]: readonly [number, number, number]): Uint8Array {
  let state = seed >>> 0;
  return new Uint8Array(size).map(() => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state >>> 24) & mask;
  });
}

async function expectTree(path: string, entries: Tree): Promise<void> {
  await using reader = await openErofs(path);
  for (const entry of entries) {
    const stat = await reader.stat(entry.path);
    assert.is(stat.kind, entry.kind, entry.path);
    if (entry.kind === "symlink") {
      assert.is(await reader.readlink(entry.path), entry.target);
      continue;
    }
    assert.is(stat.mode, entry.mode);
    if (entry.kind === "file") {
      const expected = entry.source.kind === "bytes" ? entry.source.bytes : [];
      assert.is(
        Buffer.compare(await bytesOf(reader.readFile(entry.path)), Buffer.from(expected)),
        0,
      );
      continue;
    }
    const prefix = entry.path === "/" ? "/" : `${entry.path}/`;
    const members = entries
      .map((member) => member.path)
      .filter((member) => member !== "/" && member.slice(0, member.lastIndexOf("/") + 1) === prefix)
      .map((member) => member.slice(prefix.length));
    const listed = await reader.list(entry.path);
    assert.equal(
      listed.map((member) => member.name),
      members,
    );
  }
}

async function readAll(image: Uint8Array): Promise<void> {
  await using reader = await readErofs(imageBytesOf(image));
  const walk = async (path: string, depth: number): Promise<void> => {
    for (const { name: member, kind } of (await reader.list(path)).slice(0, 20)) {
      const inner = `${path}/${member}`;
      const stat = await reader.stat(inner);
      if (kind === "symlink" && stat.kind === "symlink") await reader.readlink(inner);
      if (stat.kind === "directory" && depth < 3) await walk(inner, depth + 1);
      let bytes = 0;
      if (stat.kind !== "file") continue;
      for await (const piece of reader.readFile(inner)) {
        bytes += piece.length;
        if (bytes > 50_000_000) break;
      }
    }
  };
  await walk("", 0);
}

async function bytesOf(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return Buffer.concat(parts);
}

async function expectCode(work: Promise<unknown>, code: string, message: RegExp): Promise<void> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.instance(error, ImageError, `${error}`);
  assert.is((error as ImageError).code, code);
  assert.match((error as ImageError).message, message);
}

test.run();
