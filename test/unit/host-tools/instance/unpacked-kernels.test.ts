import { link, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { removeUnpackedKernels } from "../../../../host-tools/instance/unpacked-kernels.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("unpacked kernels");

test("those of images stay, others and those of an older Windlass go", async () => {
  await using folder = await temporaryFolder();
  const put = async (name: string, file: string): Promise<void> => {
    await mkdir(folder.file(name), { recursive: true });
    await writeFile(join(folder.file(name), file), Buffer.alloc(8192, 1));
  };
  for (const name of ["vmlinux", "vmlinux-emulated-1", "vmlinux-emulated", "vmlinux-else"]) {
    await put(name, "used");
    await put(name, "unused");
  }
  // As emulatedKernel does for a kernel that it need not change.
  await link(join(folder.file("vmlinux"), "used"), join(folder.file("vmlinux"), "second"));
  const freedBytes = await removeUnpackedKernels(folder.path, new Set(["used"]));
  assert.equal(await readdir(folder.file("vmlinux")), ["used"]);
  assert.equal(await readdir(folder.file("vmlinux-emulated-1")), ["used"]);
  assert.equal((await readdir(folder.path)).sort(), [
    "vmlinux",
    "vmlinux-else",
    "vmlinux-emulated-1",
  ]);
  assert.equal((await readdir(folder.file("vmlinux-else"))).length, 2);
  assert.is(freedBytes, 4 * 8192);
});

test("a cache that is not there has none", async () => {
  await using folder = await temporaryFolder();
  assert.is(await removeUnpackedKernels(folder.file("none"), new Set()), 0);
});

test.run();
