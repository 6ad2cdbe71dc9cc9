/**
 * The source of Debian's kernel, as it is today: it takes our configuration and our changes, and the changed file
 * compiles. Where the whole kernel was built of it, test/integration/kernel-build.test.ts boots that.
 */
import { execFile } from "node:child_process";
import { readFile, stat } from "node:fs/promises";
import { promisify } from "node:util";
import * as assert from "uvu/assert";
import { isKernelBuilt, ownConfiguration } from "../../../../image-builder/kernels/kernel-build.ts";
import { configureKernel } from "../../../../image-builder/kernels/kernel-make.ts";
import {
  fetchKernelSource,
  findKernelSource,
  unpackKernelSource,
} from "../../../../image-builder/kernels/kernel-source.ts";
import {
  changeSource,
  SOURCE_CHANGES,
} from "../../../../image-builder/kernels/kernel-source-changes.ts";
import { windlassFolders } from "../../../../image-builder/store/folders.ts";
import { MACHINE_TIMEOUT_MS, suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("source of Debian's kernel", {
  timeoutMs: MACHINE_TIMEOUT_MS,
  missing: await whyNot(),
});

async function whyNot(): Promise<string | undefined> {
  try {
    const isBuilt = await isKernelBuilt({ cacheFolder: windlassFolders().cache });
    if (isBuilt) return "the whole kernel was built of it on this machine";
  } catch (error) {
    return (error as Error).message;
  }
  if (process.env["WINDLASS_TEST_NETWORK"] === "1") return undefined;
  return "130 MB are fetched only if WINDLASS_TEST_NETWORK=1";
}

test("every option takes effect, and the changed files compile", async ({ signal }) => {
  await using folder = await temporaryFolder();
  const tree = folder.file("linux");
  const source = await findKernelSource(signal);
  await unpackKernelSource(await fetchKernelSource(source, folder.path, signal), tree, signal);
  await changeSource(tree);
  await configureKernel(tree, await readFile(ownConfiguration(), "utf8"), signal);
  const objects = SOURCE_CHANGES.map(({ file }) => file.replace(/\.c$/, ".o"));
  await promisify(execFile)("make", ["ARCH=x86_64", ...objects], {
    ...{ cwd: tree, signal, maxBuffer: 16 * 1024 ** 2 },
  });
  for (const name of objects) assert.ok((await stat(`${tree}/${name}`)).size > 0, name);
});

test.run();
