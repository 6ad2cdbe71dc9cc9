/** `windlass build`: what is refused before anything is built, and how an image is shown. */
import { join } from "node:path";
import { PassThrough } from "node:stream";
import * as assert from "uvu/assert";
import type { OptionsOf } from "../../../../host-tools/cli/command-table.ts";
import { execute } from "../../../../host-tools/cli/commands/build.ts";
import { imageView } from "../../../../host-tools/cli/image-view.ts";
import { createOutput } from "../../../../host-tools/cli/output.ts";
import { HostError } from "../../../../host-tools/errors.ts";
import { ImageError } from "../../../../image-builder/errors.ts";
import { executableManifest } from "../../../../image-builder/manifest/executable-manifest.ts";
import { nativeRuntime } from "../../../../image-builder/runtimes/native-runtime.ts";
import type { Image } from "../../../../image-builder/store/image.ts";
import { suite } from "../../../support/suite.ts";
import { projectFolder } from "../../image-builder/project/project-folder.ts";

const test = suite("build");

const ABSENT = { from: undefined, kernel: undefined, tag: [], trace: [], quiet: true, json: false };

async function refused(options: Partial<OptionsOf<"build">>): Promise<unknown> {
  const output = createOutput(
    { stdout: new PassThrough(), stderr: new PassThrough() },
    () => undefined,
  );
  const { signal } = new AbortController();
  const never = (): void => {};
  const request = { operands: [], output, report: never, signal, urgent: signal, abort: never };
  return await execute({ ...request, options: { ...ABSENT, ...options } }).catch(
    (error: unknown) => error,
  );
}

test("a container image is not traced", async () => {
  const error = await refused({ from: "oci-layout:/nowhere", trace: ["./program"] });
  assert.instance(error, HostError);
  assert.is((error as HostError).code, "WL_USAGE");
  assert.match((error as HostError).message, "Only executables are traced");
});

test("a source in place of its folder: the error names the folder's form", async () => {
  await using folder = await projectFolder({ "app.py": "print(1)\n", "notes.txt": "print(1)\n" });
  const nextOf = async (name: string): Promise<string> => {
    const manifest = executableManifest(join(folder.path, name));
    const error: unknown = await nativeRuntime
      .collect({ root: folder.path, manifest, cacheDirectory: folder.path })
      .catch((cause: unknown) => cause);
    assert.instance(error, ImageError);
    return (error as ImageError).facts.next ?? "";
  };
  assert.match(await nextOf("app.py"), '"runtime: python" and "entry: app.py"');
  assert.match(await nextOf("notes.txt"), "Name an ELF executable");
});

test("a runtime without a version has no blank behind it", () => {
  const part = { digest: "d", sizeBytes: 1 };
  const parts = { kernel: { ...part, release: "6.1" }, firstStage: part, base: part, root: part };
  const config = { ...parts, runtime: { name: "native", version: "" }, billOfMaterials: part };
  const image = { id: "i", names: [], config } as unknown as Image;
  assert.is(imageView(image).runtime, "native");
});

test.run();
