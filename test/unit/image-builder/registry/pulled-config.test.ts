/** Configurations that are too large, or that the cache has with other content. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import * as assert from "uvu/assert";
import { ImageError } from "../../../../image-builder/errors.ts";
import { pullImage } from "../../../../image-builder/registry/image-pull.ts";
import { cachedBlobPath, pullLayout } from "../../../../image-builder/registry/layout-pull.ts";
import { OCI_MANIFEST } from "../../../../image-builder/registry/manifest.ts";
import { WINDLASS_CONFIG } from "../../../../image-builder/registry/windlass-artifact.ts";
import { ImageStore } from "../../../../image-builder/store/image-store.ts";
import { suite } from "../../../support/suite.ts";
import { type TemporaryFolder, temporaryFolder } from "../../../support/temporary-folder.ts";
import { storedConfig } from "../store/store-fixture.ts";
import { hostileRegistry, type Reply } from "./hostile-registry.ts";

const test = suite("pulled configurations");
const environment = { WINDLASS_HOME: "/nowhere", DOCKER_CONFIG: "/nowhere" };
const OCI_CONFIG = "application/vnd.oci.image.config.v1+json";

/** Of an image without layers; `blob` is what every blob is. */
function image(config: object, blob: Buffer): Reply {
  return (request, response) => {
    if (request.url?.includes("/blobs/")) response.end(blob);
    else {
      response.setHeader("content-type", OCI_MANIFEST);
      response.end(JSON.stringify({ schemaVersion: 2, config, layers: [] }));
    }
  };
}

function pullOf(host: string, folder: TemporaryFolder) {
  const reference = { host, repository: "shop", tag: "1" };
  return { reference, cacheFolder: folder.file("cache"), plainHttp: true, environment };
}

test("one of 50 GiB is refused before it is fetched", async () => {
  await using folder = await temporaryFolder();
  const digest = `sha256:${"0".repeat(64)}`;
  for (const [mediaType, size] of [
    [OCI_CONFIG, 50 * 1024 ** 3],
    [OCI_CONFIG, 4 * 1024 ** 2 + 1],
    [WINDLASS_CONFIG, 50 * 1024 ** 3],
  ] as const) {
    await using registry = await hostileRegistry(
      image({ mediaType, digest, size }, Buffer.alloc(0)),
    );
    const pull = pullOf(registry.host, folder);
    const store = new ImageStore(folder.file("data"));
    const isOurs = mediaType === WINDLASS_CONFIG;
    const work = isOurs ? pullImage({ ...pull, store }) : pullLayout(pull);
    const error = await (work as Promise<unknown>).then(
      () => undefined,
      (cause) => cause,
    );
    assert.instance(error, ImageError);
    assert.is(error.code, "WL_IMAGE_REGISTRY");
    assert.match(error.message, new RegExp(`configuration says it has ${size} bytes`));
    assert.ok(error.facts.next);
    assert.equal(registry.requests, ["GET /v2/shop/manifests/1"]);
  }
});

test("one that the cache has with other content comes from the registry", async () => {
  await using folder = await temporaryFolder();
  const store = new ImageStore(folder.file("data"));
  const config = await storedConfig(store);
  const bytes = Buffer.from(`${JSON.stringify(config, null, 2)}\n`);
  const hex = createHash("sha256").update(bytes).digest("hex");
  const digest = `sha256:${hex}`;
  const descriptor = { mediaType: WINDLASS_CONFIG, digest, size: bytes.length };
  await using registry = await hostileRegistry(image(descriptor, bytes));
  const pull = pullOf(registry.host, folder);
  const path = cachedBlobPath(pull.cacheFolder, digest);
  await mkdir(dirname(path), { recursive: true });
  // Sound, and of the same length, but for one letter.
  await writeFile(path, bytes.toString("utf8").replace("0.0.0-test", "0.0.0-tesT"));
  const pulled = await pullImage({ ...pull, store });
  assert.is(pulled.image.id, hex);
  assert.is(pulled.fetchedBytes, bytes.length);
  assert.equal(registry.requests, ["GET /v2/shop/manifests/1", `GET /v2/shop/blobs/${digest}`]);
  assert.not(existsSync(path));
});

test.run();
