/** The probe guest, under emulation: kernels that boot, that hang, and that are none. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import { HostError } from "../../host-tools/errors.ts";
import {
  type AcceleratorProbe,
  cachedProbe,
  probeAccelerator,
} from "../../host-tools/qemu/accelerator-probe.ts";
import { pvhKernel } from "../support/pvh-kernel.ts";
import { type QemuRig, qemuMissing, qemuRig } from "../support/qemu.ts";
import { suite } from "../support/suite.ts";

const test = suite("accelerator probe");
const missing = await qemuMissing();

async function probeOf(
  rig: QemuRig,
  kernel: Parameters<typeof pvhKernel>[0],
): Promise<AcceleratorProbe> {
  const kernelPath = rig.folder.file("kernel");
  await writeFile(kernelPath, pvhKernel(kernel));
  return { accelerator: "tcg", binary: rig.binary, kernelPath, workFolder: rig.folder.path };
}

/** Folders of probes, and processes that were told about them. */
async function leftovers({ folder }: QemuRig): Promise<string[]> {
  const prefix = "windlass-probe-";
  const folders = (await readdir(folder.path)).filter((name) => name.startsWith(prefix));
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")),
  );
  return [...folders, ...lines.filter((line) => line.includes(folder.file(prefix)))];
}

if (missing !== undefined) test.skip(missing, "everything");
else {
  for (const ending of ["reset", "poweroff"] as const) {
    test(`a kernel that prints and ends by ${ending} works`, async ({ signal }) => {
      await using rig = await qemuRig(signal);
      const probe = await probeOf(rig, { print: "PROBE OK\n", ending });
      const result = await probeAccelerator({ ...probe, marker: "PROBE OK", signal });
      assert.is(result.works, true, result.reason);
    });
  }

  test("a kernel that hangs does not work, and its QEMU is gone", async ({ signal }) => {
    await using rig = await qemuRig(signal);
    const probe = await probeOf(rig, { print: "hello\n", ending: "halt" });
    const result = await probeAccelerator({ ...probe, silenceTimeoutMs: 1_000, signal });
    assert.is(result.works, false);
    assert.match(result.reason, "said nothing for 1000 ms");
    assert.equal(await leftovers(rig), []);
  });

  test("a kernel that goes on talking is not given up for its silence", async ({ signal }) => {
    await using rig = await qemuRig(signal);
    const probe = await probeOf(rig, { print: "hello\n", ending: "repeat" });
    const limits = { silenceTimeoutMs: 1_000, timeoutMs: 3_000 };
    const result = await probeAccelerator({ ...probe, ...limits, signal });
    assert.is(result.works, false);
    assert.match(result.reason, "did not end in 3000 ms");
    assert.equal(await leftovers(rig), []);
  });

  test("a kernel that resets without a word does not work", async ({ signal }) => {
    await using rig = await qemuRig(signal);
    const result = await probeAccelerator({ ...(await probeOf(rig, { ending: "reset" })), signal });
    assert.is(result.works, false);
    assert.match(result.reason, "without a word");
  });

  test("a kernel that prints something else does not work", async ({ signal }) => {
    await using rig = await qemuRig(signal);
    const probe = await probeOf(rig, { print: "hello\n", ending: "reset" });
    const result = await probeAccelerator({ ...probe, marker: "PROBE OK", signal });
    assert.is(result.works, false);
    assert.match(result.reason, "PROBE OK");
  });

  test("a kernel that is none says nothing about the accelerator", async ({ signal }) => {
    await using rig = await qemuRig(signal);
    const probe = await probeOf(rig, { ending: "reset" });
    await writeFile(probe.kernelPath, "no kernel");
    const error = await probeAccelerator({ ...probe, signal }).catch((caught) => caught);
    assert.ok(error instanceof HostError && error.code === "WL_QEMU_FAILED", String(error));
  });

  test("an aborted probe leaves nothing behind", async ({ signal }) => {
    await using rig = await qemuRig(signal);
    const controller = new AbortController();
    const reason = new Error("enough");
    const probe = await probeOf(rig, { ending: "halt" });
    const probing = probeAccelerator({ ...probe, signal: controller.signal });
    setImmediate(() => controller.abort(reason));
    assert.is(await probing.catch((error) => error), reason);
    assert.equal(await leftovers(rig), []);
  });

  test("a result is kept for the same kernel, and for no other", async ({ signal }) => {
    await using rig = await qemuRig(signal);
    const cachePath = rig.folder.file("cache/accelerator.json");
    const good = { ...(await probeOf(rig, { print: "ok\n", ending: "reset" })), signal };
    const first = await cachedProbe(good, { cachePath });
    assert.is(first.works, true, first.reason);
    // A probe that would fail shows that none is made.
    const failing = { ...good, marker: "never printed" };
    assert.equal(await cachedProbe(failing, { cachePath }), first);
    await writeFile(good.kernelPath, pvhKernel({ print: "other\n", ending: "reset" }));
    assert.is((await cachedProbe(failing, { cachePath })).works, false);
    assert.is(JSON.parse(await readFile(cachePath, "utf8")).length, 2);
    assert.equal(await readdir(rig.folder.file("cache")), ["accelerator.json"]);
  });

  test("a damaged cache only costs a probe", async ({ signal }) => {
    await using rig = await qemuRig(signal);
    const cachePath = rig.folder.file("accelerator.json");
    const probe = { ...(await probeOf(rig, { print: "ok\n", ending: "reset" })), signal };
    for (const damage of ["{", "[1, null, {}]", '{"key": 1}']) {
      await writeFile(cachePath, damage);
      assert.is((await cachedProbe(probe, { cachePath })).works, true);
      assert.is(JSON.parse(await readFile(cachePath, "utf8")).length, 1);
    }
  });
}

test.run();
