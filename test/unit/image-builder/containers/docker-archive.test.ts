/** Archives of `docker save`: read, or refused in words. */
import { execFileSync } from "node:child_process";
import { readFile, truncate, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import * as assert from "uvu/assert";
import { readDockerArchive } from "../../../../image-builder/containers/docker-archive.ts";
import { unpackContainer } from "../../../../image-builder/containers/unpack.ts";
import { ImageError } from "../../../../image-builder/errors.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";
import { archiveOf, type FixtureMember, layerOf } from "./layer-fixture.ts";
import { AMD64, containerRefusal } from "./layout-fixture.ts";

const test = suite("docker archives");

const layer = await archiveOf([{ name: "etc/hello", text: "hello" }]);
const config = {
  ...AMD64,
  config: { Cmd: ["/init"] },
  rootfs: { diff_ids: [layerOf(layer).diffId] },
};
const entry = { Config: "config.json", RepoTags: ["shop:1"], Layers: ["layer.tar"] };

function members(manifest: unknown, more: readonly FixtureMember[] = []): FixtureMember[] {
  const text = typeof manifest === "string" ? manifest : JSON.stringify(manifest);
  return [
    { name: "manifest.json", text },
    { name: "config.json", text: JSON.stringify(config) },
    { name: "layer.tar", text: layer.toString("latin1") },
    ...more,
  ];
}

/** What an archive of these members is read as. */
async function read(all: readonly FixtureMember[], reference?: string) {
  await using folder = await temporaryFolder();
  const file = folder.file("image.tar");
  await writeFile(file, await archiveOf(all));
  const container = await readDockerArchive(file, reference);
  const { entries } = await unpackContainer(container, { folder: folder.path });
  return { container, paths: entries.map(({ path }) => path) };
}

test("one image, also where its layer is a link to another's", async () => {
  const plain = await read(members([entry]));
  assert.is(plain.container.name, "shop:1");
  assert.ok(plain.paths.includes("/etc/hello"));
  const linked = members(
    [{ ...entry, Layers: ["b/layer.tar"] }],
    [{ name: "./b/layer.tar", type: "symlink", linkname: "../layer.tar" }],
  );
  assert.ok((await read(linked)).paths.includes("/etc/hello"));
});

test("one of several images is named", async () => {
  const two = members([entry, { ...entry, RepoTags: ["shop:2", "shop:latest"] }]);
  assert.is((await read(two, "shop:latest")).container.name, "shop:2");
  assert.match(await containerRefusal(read(two)), /has several images/);
  assert.match(await containerRefusal(read(two, "shop:3")), /has no image "shop:3"/);
});

test("manifests that cannot be", async () => {
  const cases: readonly [unknown, RegExp][] = [
    ["{", /manifest\.json is no JSON/],
    [{}, /"manifest\.json" is no list/],
    [[], /has no image/],
    [[null], /manifest\.json is no JSON object/],
    [[{ ...entry, Config: undefined }], /manifest\.json has no "Config"/],
    [[{ ...entry, Config: "../../../../etc/passwd" }], /is not in/],
    [[{ ...entry, Config: "/etc/passwd" }], /is not in/],
    [[{ ...entry, Config: "layer.tar" }], /configuration is no JSON/],
    [[{ ...entry, Layers: ["none.tar"] }], /"none\.tar" is not in/],
    [[{ ...entry, Layers: "layer.tar" }], /"Layers" of manifest\.json is no list/],
    [[{ ...entry, Layers: [] }], /has 0 layers, its configuration knows 1/],
    [[{ ...entry, Layers: ["config.json"] }], /The content of Layer 1 of 1 has the digest/],
    [[{ ...entry, RepoTags: [1] }], /holds something that is no string/],
  ];
  for (const [manifest, expected] of cases) {
    assert.match(await containerRefusal(read(members(manifest))), expected);
  }
  assert.match(await containerRefusal(read([{ name: "x" }])), /"manifest\.json" is not in/);
});

test("links that go in a circle, or out of the archive", async () => {
  const image = { ...entry, Layers: ["a"] };
  const link = (name: string, linkname: string): FixtureMember => ({
    ...{ name, linkname, type: "symlink" },
  });
  const circle = members([image], [link("a", "b"), link("b", "a")]);
  assert.match(await containerRefusal(read(circle)), /"a" is not in/);
  const out = members([image], [link("a", "../../../../etc/passwd")]);
  assert.match(await containerRefusal(read(out)), /"a" is not in/);
});

test("files that are no archive, packed, cut off, or a pipe", async () => {
  await using folder = await temporaryFolder();
  const file = folder.file("image.tar");
  const refusal = async (content: Uint8Array): Promise<string> => {
    await writeFile(file, content);
    return await containerRefusal(readDockerArchive(file));
  };
  const good = await archiveOf(members([entry]));
  assert.match(await refusal(gzipSync(good)), /is packed/);
  assert.match(await refusal(Buffer.alloc(0)), /"manifest\.json" is not in/);
  const others = [Buffer.alloc(4096, "x"), await readFile("/etc/passwd"), Buffer.from("short")];
  for (const other of others) {
    await writeFile(file, other);
    const error = await readDockerArchive(file).catch((cause) => cause);
    assert.instance(error, ImageError);
    assert.is(error.message, `"${file}" is no tar archive, or damaged from its begin`);
    assert.match(error.facts.next, /docker save -o FILE IMAGE.*docker-archive:FILE/);
  }
  await writeFile(file, good);
  await truncate(file, 3000);
  assert.match(
    await containerRefusal(readDockerArchive(file)),
    /is a damaged tar archive: .*cut off/,
  );
  execFileSync("mkfifo", [folder.file("pipe")]);
  assert.match(await containerRefusal(readDockerArchive(folder.file("pipe"))), /is no file/);
  assert.match(await containerRefusal(readDockerArchive(folder.path)), /is no file/);
});

test.run();
