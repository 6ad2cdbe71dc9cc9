/** Debian's kernel has the place that host-tools/instance/emulated-kernel.ts changes. */
import { readFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import { segmentPatch } from "../../host-tools/instance/emulated-kernel.ts";
import { unpackKernel } from "../../image-builder/kernels/bz-image.ts";
import { vmlinuzPath } from "../../image-builder/kernels/kernel-store.ts";
import { presentKernel } from "../support/kernel.ts";
import { suite } from "../support/suite.ts";

const test = suite("emulated kernel");
const kernel = await presentKernel();
const isDebians = kernel?.release.endsWith("-cloud-amd64") === true;

if (kernel && isDebians) {
  test("there is one place, and it is code of the kernel", async () => {
    const path = vmlinuzPath(kernel);
    const bytes = unpackKernel(await readFile(path), path);
    assert.ok(bytes);
    const patch = segmentPatch(bytes as Buffer);
    assert.ok(patch, "the kernel's entry looks otherwise: its code is translated twice");
  });
} else test.skip("Windlass has no kernel of Debian's here", "everything");

test.run();
