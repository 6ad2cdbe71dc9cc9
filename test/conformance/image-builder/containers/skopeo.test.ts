/** One image in the forms that skopeo writes: all of them are read as the same. */
import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { promisify } from "node:util";
import * as assert from "uvu/assert";
import type { ContainerImage } from "../../../../image-builder/containers/container-image.ts";
import { readDockerArchive } from "../../../../image-builder/containers/docker-archive.ts";
import { readOciLayout } from "../../../../image-builder/containers/oci-layout.ts";
import { unpackContainer } from "../../../../image-builder/containers/unpack.ts";
import { pullLayout } from "../../../../image-builder/registry/layout-pull.ts";
import { registryReference } from "../../../../image-builder/registry/reference.ts";
import {
  fill,
  packFolder,
  programsMissing,
  writeLayout,
} from "../../../support/container-layout.ts";
import { dockerRegistry, dockerRegistryMissing } from "../../../support/docker-registry.ts";
import { suite } from "../../../support/suite.ts";
import { type TemporaryFolder, temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("containers and skopeo", { timeoutMs: 120_000 });
const missing = programsMissing("skopeo", "tar") ?? (await dockerRegistryMissing());
const environment = { WINDLASS_HOME: "/nowhere", DOCKER_CONFIG: "/nowhere" };

async function skopeoCopy(from: string, to: string, ...options: string[]): Promise<void> {
  const plain = ["--insecure-policy", "copy", "-q", "--dest-tls-verify=false"];
  await promisify(execFile)("skopeo", [...plain, ...options, from, to]);
}

function writeImage(folder: TemporaryFolder): string {
  fill(folder.file("one"), { "bin/run": "#!/bin/sh\n", "etc/first": "1", "etc/gone": "2" });
  fill(folder.file("two"), { "etc/.wh.gone": "", "etc/second": "3" });
  const owner = { uid: 7, gid: 8 };
  const archives = ["one", "two"].map((name) => packFolder(folder.file(name), owner));
  const config = { Entrypoint: ["/bin/run"], Env: ["A=b"], ExposedPorts: { "80/tcp": {} } };
  writeLayout(folder.file("layout"), archives, config);
  return `oci:${folder.file("layout")}:test`;
}

/** What an image is, whatever it is packed in: configuration, content and tree. */
async function factsOf(container: ContainerImage, folder: string): Promise<object> {
  await mkdir(folder);
  const { entries } = await unpackContainer(container, { folder });
  const tree = entries.map((entry) => {
    const { path, kind } = entry;
    return kind === "file" ? `${path} ${entry.mode} ${JSON.stringify(entry.owner)}` : path;
  });
  return { config: container.config, diffIds: container.layers.map(({ diffId }) => diffId), tree };
}

const body = async ({ signal }: { signal: AbortSignal }): Promise<void> => {
  await using folder = await temporaryFolder();
  await using registry = await dockerRegistry({ signal });
  const source = writeImage(folder);
  const layout = await readOciLayout(folder.file("layout"));
  const facts = await factsOf(layout, folder.file("facts-layout"));

  await skopeoCopy(source, `docker-archive:${folder.file("image.tar")}:team/shop:1`);
  const archive = await readDockerArchive(folder.file("image.tar"));
  assert.match(archive.name ?? "", /team\/shop:1$/);
  assert.equal(await factsOf(archive, folder.file("facts-archive")), facts);

  for (const format of ["oci", "v2s2"]) {
    const text = `${registry.host}/shop:${format}`;
    await skopeoCopy(source, `docker://${text}`, "--format", format);
    const reference = registryReference(text);
    const pull = { reference, environment, signal, cacheFolder: folder.file(`cache-${format}`) };
    const { layoutFolder } = await pullLayout(pull);
    const pulled = await readOciLayout(layoutFolder);
    assert.equal(await factsOf(pulled, folder.file(`facts-${format}`)), facts);
  }
};

const name =
  "an OCI layout, an archive of Docker's, a registry with OCI's media types and with Docker's";
if (missing === undefined) test(name, body);
else test.skip(missing, name);

test.run();
