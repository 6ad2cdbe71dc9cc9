/** The same project gives the same bytes, wherever it lies and whoever builds it. */
import { appendFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import type { BuildProgress } from "../../image-builder/build-image.ts";
import { type Image, imageParts } from "../../image-builder/store/image.ts";
import { buildMissing, copyProject, machineRig, type Rig } from "../support/rig.ts";
import { MACHINE_TIMEOUT_MS, suite } from "../support/suite.ts";

let rigs: readonly Rig[] = [];
let images: readonly Image[] = [];

const digests = (image: Image | undefined): Record<string, string> => {
  assert.ok(image);
  const parts = image ? Object.entries(imageParts(image.config)) : [];
  return Object.fromEntries(parts.map(([name, { digest }]) => [name, digest]));
};

const test = suite("reproducible build", {
  timeoutMs: MACHINE_TIMEOUT_MS,
  async teardown() {
    for (const rig of rigs) await rig[Symbol.asyncDispose]();
  },
});

const missing = await buildMissing();

function withBuilds(name: string, body: () => Promise<void>): void {
  if (missing === undefined) test(name, body);
  else test.skip(missing, name);
}

withBuilds("two folders and two homes give one image, part by part", async () => {
  rigs = [await machineRig({ empty: true }), await machineRig({ empty: true })];
  const built: Image[] = [];
  for (const [index, rig] of rigs.entries()) {
    const folder = await copyProject(
      "hello-http",
      rig.folder.file(`deep/${"er/".repeat(index)}hello`),
    );
    built.push(await rig.build(folder, { name: "hello" }));
  }
  images = built;
  const [one, two] = images;
  assert.equal(digests(one), digests(two));
  assert.is(one?.id, two?.id);
});

withBuilds("a build without a change does nothing and gives the same image", async () => {
  const [rig] = rigs;
  assert.ok(rig);
  const steps: BuildProgress[] = [];
  const onProgress = (step: BuildProgress): void => void steps.push(step);
  const folder = rig?.folder.file("deep/hello") ?? "";
  const again = await rig?.build(folder, { name: "hello", onProgress });
  assert.is(again?.id, images[0]?.id);
  for (const name of ["base", "program"]) {
    assert.is(steps.find(({ step }) => step === name)?.cached, true, name);
  }
});

withBuilds("a change of one source file changes the program's part, and no other", async () => {
  const [rig] = rigs;
  assert.ok(rig);
  const folder = rig?.folder.file("deep/hello") ?? "";
  await appendFile(`${folder}/server.js`, "\n// changed\n");
  const changed = digests(await rig?.build(folder, { name: "hello" }));
  const before = digests(images[0]);
  const different = Object.keys(before).filter((part) => before[part] !== changed[part]);
  assert.equal(different, ["program"]);
});

withBuilds("the image that lost its name is pruned, and nothing that the other needs", async () => {
  const [rig] = rigs;
  const store = rig?.instances.images;
  const report = await store?.prune();
  assert.equal(report?.removedImages, [images[0]?.id]);
  const left = await store?.get("hello");
  for (const part of Object.values(left ? imageParts(left.config) : {})) {
    assert.equal((await store?.blobs.read(part))?.length, part.sizeBytes);
  }
});

test.run();
