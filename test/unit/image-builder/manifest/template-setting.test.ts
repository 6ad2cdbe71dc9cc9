import * as assert from "uvu/assert";
import { ImageError } from "../../../../image-builder/errors.ts";
import type { TemplateSettings } from "../../../../image-builder/manifest/manifest.ts";
import { loadManifest } from "../../../../image-builder/manifest/manifest-file.ts";
import { suite } from "../../../support/suite.ts";
import { projectFolder } from "../project/project-folder.ts";

const test = suite("template of a manifest");

async function settings(yaml: string): Promise<TemplateSettings | undefined> {
  await using folder = await projectFolder({
    "package.json": { json: { name: "shop" } },
    "index.js": "",
    "windlass.yaml": yaml,
  });
  return (await loadManifest(folder.path)).template;
}

test("one word is the mode", async () => {
  assert.is(await settings("memory: 256"), undefined);
  assert.equal(await settings("template: auto"), { auto: true, env: [], args: false });
  assert.equal(await settings("template: manual"), { auto: false, env: [], args: false });
});

test("an object says what a clone may have otherwise", async () => {
  const text = "template: { mode: auto, env: [A, B], args: true, warmUp: /warm }";
  const all = { auto: true, env: ["A", "B"], args: true, warmUp: "/warm" };
  assert.equal(await settings(text), all);
  const none = { auto: false, env: [], args: false, warmUp: false };
  assert.equal(await settings("template: { warmUp: false }"), none);
});

test("anything else is refused, and named", async () => {
  for (const value of [
    "always",
    "true",
    "3",
    "[]",
    "{ mode: sometimes }",
    "{ env: A }",
    '{ env: ["A=1"] }',
    '{ env: [""] }',
    "{ args: 1 }",
    "{ warmUp: warm }",
    "{ warmUp: true }",
    "{ warmup: /w }",
  ]) {
    const error = await settings(`template: ${value}`).catch((reason: unknown) => reason);
    assert.ok(error instanceof ImageError, value);
    if (!(error instanceof ImageError)) continue;
    assert.is(error.code, "WL_IMAGE_MANIFEST_INVALID", value);
    assert.match(error.message, "template", value);
  }
});

test.run();
