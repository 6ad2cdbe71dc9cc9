/** What `windlass init` writes: the examples, as projects that a build knows. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { ImageError } from "../../../../image-builder/errors.ts";
import { loadManifest } from "../../../../image-builder/manifest/manifest-file.ts";
import { RUNTIME_NAMES, type RuntimeName } from "../../../../image-builder/runtimes/runtime.ts";
import { starterManifest, starterOf } from "../../../../image-builder/runtimes/starter.ts";
import { suite } from "../../../support/suite.ts";
import { projectFolder } from "../project/project-folder.ts";

const EXAMPLES_FOLDER = join(import.meta.dirname, "../../../../examples");
const EXAMPLES = {
  node: "hello-http",
  deno: "deno-http",
  bun: "bun-http",
  go: "go-http",
  rust: "rust-http",
  java: "java-http",
  python: "python-http",
  ruby: "ruby-http",
  wasm: "wasi-hello",
  c: "c-http",
} as const satisfies Partial<Record<RuntimeName, string>>;
type Started = keyof typeof EXAMPLES;

const test = suite("starters");

for (const [runtime, example] of Object.entries(EXAMPLES) as [Started, string][]) {
  test(`the starter of ${runtime} is ${example}`, async () => {
    for (const [file, text] of Object.entries((await starterOf(runtime, example)).files)) {
      assert.is(text, await readFile(join(EXAMPLES_FOLDER, example, file), "utf8"), file);
    }
  });

  test(`the starter of ${runtime} is a project of its runtime, with its name`, async () => {
    const starter = await starterOf(runtime, "shop");
    const chosen = { runtime, name: "shop" };
    const manifest = starterManifest(starter, chosen, { imageName: "folder", present: [] });
    await using folder = await projectFolder({
      ...starter.files,
      ...(manifest !== undefined && { "windlass.yaml": manifest }),
    });
    const { name, runtime: found } = await loadManifest(folder.path);
    assert.equal({ runtime: found, name }, chosen);
  });
}

test("there is one for each runtime but for executables, which are the user's own", async () => {
  assert.equal([...Object.keys(EXAMPLES), "native"].sort(), [...RUNTIME_NAMES].sort());
  const error = (await starterOf("native", "shop").catch((cause) => cause)) as ImageError;
  assert.is(error.code, "WL_IMAGE_RUNTIME_UNAVAILABLE");
  assert.match(error.facts.next ?? "", "windlass build ./program");
});

test("a windlass.yaml says what the other files leave open, and else there is none", async () => {
  const node = await starterOf("node", "shop");
  const python = await starterOf("python", "shop");
  const write = (starter: typeof node, runtime: RuntimeName, ...present: readonly string[]) =>
    starterManifest(starter, { runtime, name: "shop" }, { imageName: "shop", present });
  assert.is(write(node, "node"), undefined);
  assert.is(write(python, "python"), undefined);
  assert.is(write(python, "python", "package.json"), "runtime: python\n");
  // Its module has to be made first.
  assert.is(write(await starterOf("wasm", "shop"), "wasm"), "runtime: wasm\n");
  assert.is(
    starterManifest(
      python,
      { runtime: "python", name: "1.0" },
      { imageName: "shop", present: ["go.mod"] },
    ),
    'name: "1.0"\nruntime: python\n',
  );
});

test("a Rust package has a name that Cargo takes", async () => {
  const first = async (name: string) =>
    (await starterOf("rust", name)).files["Cargo.toml"]?.split("\n")[1];
  assert.is(await first("my.shop_2"), 'name = "my-shop_2"');
  assert.is(await first("2.0"), 'name = "app-2-0"');
});

test.run();
