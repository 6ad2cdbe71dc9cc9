/** Our client against Debian's docker-registry. */
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import * as assert from "uvu/assert";
import { uploadBlob } from "../../../../image-builder/registry/blob-upload.ts";
import { pullImage } from "../../../../image-builder/registry/image-pull.ts";
import { pushImage, type TransferredPart } from "../../../../image-builder/registry/image-push.ts";
import { pullLayout } from "../../../../image-builder/registry/layout-pull.ts";
import { checkLogin } from "../../../../image-builder/registry/login-check.ts";
import { OCI_MANIFEST } from "../../../../image-builder/registry/manifest.ts";
import { registryReference } from "../../../../image-builder/registry/reference.ts";
import { RegistryClient } from "../../../../image-builder/registry/registry-client.ts";
import { imageParts } from "../../../../image-builder/store/image.ts";
import { ImageStore } from "../../../../image-builder/store/image-store.ts";
import {
  type DockerRegistry,
  dockerRegistry,
  dockerRegistryMissing,
  TEST_USER,
} from "../../../support/docker-registry.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";
import { storedConfig } from "../../../unit/image-builder/store/store-fixture.ts";

/** Nobody's passwords. */
const environment = { WINDLASS_HOME: "/nowhere", DOCKER_CONFIG: "/nowhere" };
let open: DockerRegistry;
let guarded: DockerRegistry;

const test = suite("docker-registry", {
  missing: await dockerRegistryMissing(),
  setup: async ({ signal }) => {
    open = await dockerRegistry({ signal });
    guarded = await dockerRegistry({ hasPasswords: true, signal });
  },
  teardown: async () => {
    await open?.[Symbol.asyncDispose]();
    await guarded?.[Symbol.asyncDispose]();
  },
});

test("an image goes there and comes back the same", async () => {
  await using folder = await temporaryFolder();
  const [here, there] = [new ImageStore(folder.file("here")), new ImageStore(folder.file("there"))];
  const image = await here.add(await storedConfig(here, "compressible ".repeat(10_000)), "shop");
  const reference = registryReference(`${open.host}/team/shop:1`);
  const push = { store: here, image, reference, environment, cacheFolder: folder.file("cache") };
  const pushed = await pushImage(push);
  const cacheFolder = folder.file("other-cache");
  const pulled = await pullImage({ store: there, reference, environment, cacheFolder });
  assert.is(pulled.image.id, image.id);
  assert.is(pulled.digest, pushed.digest);
  assert.equal(pulled.image.names, ["team/shop:1"]);
  const parts = Object.values(imageParts(image.config));
  for (const part of parts) {
    assert.ok((await here.blobs.read(part)).equals(await there.blobs.read(part)));
  }
  // The program's 130 kB went as some hundred bytes.
  assert.ok(pushed.sentBytes < 20_000, String(pushed.sentBytes));
  assert.equal(await readdir(join(cacheFolder, "registry/blobs/sha256")), []);
});

test("what the registry has is not sent again, and taken over from a neighbour", async () => {
  await using folder = await temporaryFolder();
  const store = new ImageStore(folder.file("data"));
  const image = await store.add(await storedConfig(store, "mounted"), "shop");
  const push = async (name: string): Promise<string[]> => {
    const how: string[] = [];
    const reference = registryReference(`${open.host}/${name}`);
    const onPart = (part: TransferredPart): void => void how.push(part.how);
    const cacheFolder = folder.file("cache");
    await pushImage({ store, image, reference, environment, cacheFolder, onPart });
    return [...new Set(how)];
  };
  assert.equal(await push("mount/one:1"), ["sent"]);
  assert.equal(await push("mount/one:2"), ["present"]);
  assert.equal(await push("mount/two:1"), ["mounted"]);
});

test("a blob goes in pieces, and comes back by its digest", async () => {
  await using folder = await temporaryFolder();
  const bytes = randomBytes(300_000);
  const path = folder.file("blob");
  await writeFile(path, bytes);
  const blob = { digest: sha256(bytes), size: bytes.length };
  using client = new RegistryClient(open.host, "", { environment });
  const counted: number[] = [];
  const onBytes = (count: number): void => void counted.push(count);
  const upload = { client, repository: "pieces", blob, source: path, onBytes };
  await uploadBlob({ ...upload, pieceBytes: 100_000 });
  assert.equal(counted, [100_000, 100_000, 100_000]);
  const target = `pieces/blobs/${blob.digest}`;
  const reply = await client.request({ method: "GET", target, what: "test", expected: [200] });
  assert.ok((await client.body(reply, "test", 300_000)).equals(bytes));
});

test("a container image is pulled into a layout, and goes on behind what is there", async () => {
  await using folder = await temporaryFolder();
  const layers = [gzipSync(randomBytes(200_000)), gzipSync(Buffer.alloc(100_000, "x"))];
  const text = await putContainer(`${open.host}/container:1`, layers);
  const reference = registryReference(text);
  const cacheFolder = folder.file("cache");
  const first = await pullLayout({ reference, environment, cacheFolder });
  const blobs = join(first.layoutFolder, "blobs/sha256");
  const index = JSON.parse(await readFile(join(first.layoutFolder, "index.json"), "utf8"));
  assert.is(index.manifests[0].digest, first.digest);
  assert.is(index.manifests[0].annotations["org.opencontainers.image.ref.name"], "1");
  for (const layer of layers) {
    const stored = await readFile(join(blobs, sha256(layer).slice(7)));
    assert.ok(stored.equals(layer));
  }
  assert.is((await pullLayout({ reference, environment, cacheFolder })).fetchedBytes, 0);
  // Half of a layer, as an interrupted pull leaves it.
  const [layer = Buffer.alloc(0)] = layers;
  const second = folder.file("second");
  const partial = join(second, "registry/blobs/sha256", `${sha256(layer).slice(7)}.partial`);
  await temporaryFile(partial, layer.subarray(0, 150_000));
  const resumed = await pullLayout({ reference, environment, cacheFolder: second });
  assert.is(resumed.fetchedBytes, first.fetchedBytes - 150_000);
  assert.not((await readdir(join(second, "registry/blobs/sha256"))).includes(basename(partial)));
});

test("a password is asked for, tried, and used", async () => {
  await using folder = await temporaryFolder();
  const store = new ImageStore(folder.file("data"));
  const image = await store.add(await storedConfig(store), "shop");
  const reference = registryReference(`${guarded.host}/shop:1`);
  const push = { store, image, reference, environment, cacheFolder: folder.file("cache") };
  const refused = await pushImage(push).catch((error) => error);
  assert.match(refused.message, /wants a password, and there is none/);
  assert.is(refused.facts.next, `Use "windlass login ${guarded.host}"`);
  const wrong = { user: "tester", password: "wrong" };
  const denied = await checkLogin(guarded.host, wrong).catch((error) => error);
  assert.match(denied.message, /answers 401 \(UNAUTHORIZED/);
  assert.is(denied.facts.next, "Check the user's name and the password");
  assert.is(await checkLogin(guarded.host, TEST_USER), true);
  assert.is(await checkLogin(open.host, TEST_USER), false);
  await pushImage({ ...push, credentials: TEST_USER });
  const pulled = await pullImage({ ...push, credentials: TEST_USER });
  assert.is(pulled.image.id, image.id);
});

test("what is not there, and what is something else, is named", async () => {
  await using folder = await temporaryFolder();
  const store = new ImageStore(folder.file("data"));
  const message = async (name: string): Promise<string> => {
    const reference = registryReference(`${open.host}/${name}`);
    const pull = { store, reference, environment, cacheFolder: folder.file("cache") };
    return (await pullImage(pull).catch((error) => error)).message;
  };
  assert.match(await message("nothing:1"), /answers 404 \(MANIFEST_UNKNOWN/);
  await putContainer(`${open.host}/other:1`, []);
  assert.match(await message("other:1"), /is no image of Windlass/);
});

/** Puts a container image there, through our own client. @returns its reference */
async function putContainer(text: string, layers: readonly Buffer[]): Promise<string> {
  const { host, repository, tag = "" } = registryReference(text);
  using client = new RegistryClient(host, "", { environment });
  const put = async (source: Buffer, mediaType: string) => {
    const blob = { mediaType, digest: sha256(source), size: source.length };
    await uploadBlob({ client, repository, blob, source });
    return blob;
  };
  const config = Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", rootfs: {} }));
  const descriptors = [];
  for (const layer of layers) {
    descriptors.push(await put(layer, "application/vnd.oci.image.layer.v1.tar+gzip"));
  }
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: await put(config, "application/vnd.oci.image.config.v1+json"),
    layers: descriptors,
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const reply = await client.request({
    ...{ method: "PUT", target: `${repository}/manifests/${tag}`, what: "test", expected: [201] },
    headers: { "content-type": OCI_MANIFEST },
    body: { sizeBytes: bytes.length, open: () => bytes },
  });
  reply.destroy();
  return text;
}

async function temporaryFile(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(join(path, ".."), { recursive: true });
  await writeFile(path, bytes);
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

test.run();
