/** The examples that need no npm ci: what is detected in them is what the README promises. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { loadManifest, WINDLASS_FILES } from "../../../../image-builder/manifest/manifest-file.ts";
import { collectProject } from "../../../../image-builder/project/project.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("examples");
const examples = join(import.meta.dirname, "../../../../examples");

for (const [name, script] of [
  ["hello-http", "server.js"],
  ["esm-workers", "main.js"],
  ["exit-seven", "index.js"],
  ["clone-hooks", "server.js"],
] as const) {
  test(`${name} runs ${script}`, async () => {
    const folder = join(examples, name);
    const manifest = await loadManifest(folder);
    assert.is(manifest.name, name);
    const { argv } = await collectProject(folder, manifest);
    assert.equal(argv, ["/usr/local/bin/node", `/app/${script}`]);
  });
}

/** Says what nothing else can say. */
const WITH_WINDLASS_FILE = "thread-http";

test("none but one holds a Windlass file", () => {
  for (const name of readdirSync(examples)) {
    const files = readdirSync(join(examples, name));
    const found = files.filter((file) => (WINDLASS_FILES as readonly string[]).includes(file));
    assert.equal(found, name === WITH_WINDLASS_FILE ? ["windlass.yaml"] : [], name);
  }
});

for (const [name, entry] of [
  ["express-app", "server.js"],
  ["fastify-typescript", "src/server.ts"],
  ["native-addon", "index.js"],
] as const) {
  test(`${name} has the entry ${entry}`, async () => {
    const { program } = await loadManifest(join(examples, name));
    assert.equal(program, { kind: "script", entry, nodeFlags: [] });
  });
}

test.run();
