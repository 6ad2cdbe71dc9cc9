/** Layouts that are wrong in one place: each is refused in words, and nothing outside of them is read. */
import { execFileSync } from "node:child_process";
import { rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import * as assert from "uvu/assert";
import type { ContainerImage } from "../../../../image-builder/containers/container-image.ts";
import { readOciLayout } from "../../../../image-builder/containers/oci-layout.ts";
import { unpackContainer } from "../../../../image-builder/containers/unpack.ts";
import { ImageError } from "../../../../image-builder/errors.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";
import {
  AMD64,
  type Changes,
  containerRefusal,
  LAYER,
  OCI,
  putBlob,
  writeLayoutWith,
} from "./layout-fixture.ts";

const test = suite("OCI layouts");
const ARM64 = { os: "linux", architecture: "arm64" };
const digest = `sha256:${"0".repeat(64)}`;

async function read(changes: Changes, reference?: string): Promise<ContainerImage> {
  await using folder = await temporaryFolder();
  await writeLayoutWith(folder.path, changes);
  return await readOciLayout(folder.path, reference);
}

async function refuses(cases: readonly (readonly [Changes, RegExp])[]): Promise<void> {
  for (const [changes, expected] of cases) {
    assert.match(await containerRefusal(read(changes)), expected);
  }
}

test("a good one is read", async () => {
  const { config, layers } = await read({});
  assert.equal([config.cmd, layers.length], [["/init"], 1]);
});

test("documents that are no documents", async () => {
  const deep = "[".repeat(2_000_000);
  const nested = `{"manifests":${"[".repeat(1_000_000)}${"]".repeat(1_000_000)}}`;
  await refuses([
    [{ layout: "" }, /oci-layout is no JSON/],
    [{ layout: { imageLayoutVersion: 1 } }, /"imageLayoutVersion" of oci-layout is no string/],
    [{ layout: { imageLayoutVersion: "2.0.0" } }, /of version "2\.0\.0"/],
    [{ index: "null" }, /index\.json is no JSON object/],
    [{ index: "[]" }, /index\.json is no JSON object/],
    [{ index: deep }, /index\.json is no JSON/],
    [{ index: nested }, /An item of "manifests" of index\.json is no JSON object/],
    [{ index: " ".repeat(5_000_000) }, /no file of at most 4194304 bytes/],
    [{ index: { manifests: {} } }, /"manifests" of index\.json is no list/],
    [
      { index: { manifests: Array(10_001).fill(0) } },
      /"manifests" of index\.json has [0-9]+ items, more than 10000/,
    ],
    [{ index: { manifests: [] } }, /has no image/],
    [{ manifest: "{" }, /The manifest is no JSON/],
    [{ config: "\0" }, /The image's configuration is no JSON/],
  ]);
});

test("descriptors of what cannot be", async () => {
  await refuses([
    [{ descriptor: { digest: "sha256:../../../../etc/passwd" } }, /which Windlass does not know/],
    [{ descriptor: { digest: "md5:00" } }, /which Windlass does not know/],
    [{ descriptor: { digest: 7 } }, /is no string/],
    [{ descriptor: { digest } }, /is not in/],
    [{ descriptor: { size: -1 } }, /not a whole number/],
    [{ descriptor: { size: 1.5 } }, /not a whole number/],
    [{ descriptor: { size: "9" } }, /is no number/],
    [{ descriptor: { size: 2 ** 52 } }, /bytes, not 4503599627370496/],
    [{ descriptor: { mediaType: null } }, /has no "mediaType"/],
    [{ descriptor: { mediaType: "text/html" } }, /a manifest of type "text\/html"/],
    [{ descriptor: { mediaType: "x".repeat(100_000) } }, /is unknown/],
    [{ descriptor: { annotations: [] } }, /"annotations".* is no JSON object/],
    [{ configDescriptor: { mediaType: OCI("empty") } }, /a configuration of type/],
    [{ configDescriptor: { digest } }, /is not in/],
    [{ manifest: { config: undefined } }, /config has no "mediaType"/],
    [{ manifest: { layers: [{ mediaType: LAYER, digest, size: 0 }] } }, /is not in/],
    [{ manifest: { layers: [{ mediaType: "a/b", digest, size: 0 }] } }, /a layer of type "a\/b"/],
    [{ manifest: { layers: "all" } }, /"layers" of The manifest is no list/],
    [{ manifest: { layers: [] } }, /has 0 layers, its configuration knows 1/],
  ]);
});

test("images for other machines, and of too many layers", async () => {
  const diffIds = Array(1001).fill(digest);
  await using folder = await temporaryFolder();
  const { layer } = await writeLayoutWith(folder.path, {});
  await refuses([
    [{ config: ARM64 }, /for "linux\/arm64", Windlass runs linux\/amd64/],
    [{ config: { os: "windows" } }, /for "windows\/amd64"/],
    [{ config: { rootfs: undefined } }, /has no "rootfs"/],
    [{ config: { rootfs: { diff_ids: [1] } } }, /holds something that is no string/],
    [{ config: { rootfs: { diff_ids: ["sha256:0"] } } }, /which Windlass does not know/],
    [
      { config: { rootfs: { diff_ids: diffIds } }, manifest: { layers: Array(1001).fill(layer) } },
      /has 1001 layers, more than 1000/,
    ],
  ]);
});

/** A layout whose index leads through indexes to a manifest. */
async function nested(depth: number, platforms: readonly unknown[] = [AMD64]): Promise<unknown> {
  await using folder = await temporaryFolder();
  const { manifest } = await writeLayoutWith(folder.path, {});
  let manifests = platforms.map((platform) => ({ ...manifest, platform }));
  for (let level = 0; level < depth; level += 1) {
    const index = await putBlob(folder.path, OCI("index"), { schemaVersion: 2, manifests });
    manifests = [{ ...index, platform: AMD64 }];
  }
  await writeFile(join(folder.path, "index.json"), JSON.stringify({ manifests }));
  return await readOciLayout(folder.path);
}

test("indexes of indexes: followed, but not for ever; this machine's image is found", async () => {
  await nested(3);
  await nested(1, [ARM64, AMD64]);
  assert.match(await containerRefusal(nested(20)), /More than 4 indexes/);
  assert.match(await containerRefusal(nested(1, [ARM64])), /is for linux\/arm64, not for/);
  assert.match(await containerRefusal(nested(1, [])), /is for nothing/);
  assert.match(await containerRefusal(nested(1, ["amd64"])), /"platform".* is no JSON object/);
});

test("blobs that are not what their names say", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  const { manifest, layer } = await writeLayoutWith(path, {});
  const blob = (digestText: string): string => join(path, "blobs/sha256", digestText.slice(7));
  await writeFile(blob(manifest.digest), " ".repeat(manifest.size));
  assert.match(
    await containerRefusal(readOciLayout(path)),
    /A document of the image has the digest/,
  );
  await writeLayoutWith(path, {});
  await truncate(blob(layer.digest), 100);
  assert.match(await containerRefusal(readOciLayout(path)), /has 100 bytes, not 1024/);
  await rm(blob(layer.digest));
  await symlink("/dev/zero", blob(layer.digest));
  assert.match(await containerRefusal(readOciLayout(path)), /is not in/);
  // A file of the right size but other content is found out while it is unpacked.
  await rm(blob(layer.digest));
  await writeFile(blob(layer.digest), Buffer.alloc(1024, 1));
  const container = await readOciLayout(path);
  const unpacked = unpackContainer(container, { folder: path });
  assert.match(await containerRefusal(unpacked), /A tar header holds/);
});

test("a pipe in place of a document is refused, not waited for", async () => {
  await using folder = await temporaryFolder();
  await writeLayoutWith(folder.path, {});
  await rm(folder.file("index.json"));
  execFileSync("mkfifo", [folder.file("index.json")]);
  assert.match(await containerRefusal(readOciLayout(folder.path)), /is no file of at most/);
});

test("a name that fits none, or several images", async () => {
  const missing = await containerRefusal(read({}, "latest"));
  assert.match(missing, /has no image "latest"/);
  await using folder = await temporaryFolder();
  const { manifest, config } = await writeLayoutWith(folder.path, {});
  const manifests = [manifest, { ...config, mediaType: OCI("manifest") }];
  await writeFile(folder.file("index.json"), JSON.stringify({ manifests }));
  assert.match(await containerRefusal(readOciLayout(folder.path)), /several images that fit/);
  assert.ok(await readOciLayout(folder.path, manifest.digest));
});

test("any JSON anywhere gives an image or a typed error", async () => {
  const change = fc.dictionary(
    fc.constantFrom(
      ...["config", "layers", "manifests", "mediaType", "rootfs", "os", "digest", "size"],
    ),
    fc.jsonValue({ maxDepth: 2 }),
    { maxKeys: 3 },
  );
  const place = fc.constantFrom(
    ...(["index", "manifest", "config", "descriptor", "configDescriptor"] as const),
  );
  await fc.assert(
    fc.asyncProperty(place, change, async (where, what) => {
      await read({ [where]: what }).catch((error: unknown) => assert.instance(error, ImageError));
    }),
    { numRuns: 60 },
  );
});

test.run();
