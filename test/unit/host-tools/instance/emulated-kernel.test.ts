import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import { emulatedKernel, segmentPatch } from "../../../../host-tools/instance/emulated-kernel.ts";
import { kernelCommandLine } from "../../../../host-tools/instance/kernel-command-line.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("emulated kernel");

/** As Debian's 6.1 has it: the test, swapgs and a fence, the switch of page tables. */
const ENTRY = "f684249000000003" + "744b" + "0f01f8909090";
const SWITCH = "eb110f20d890909090904825ffe7ffff0f22d8";
const LOAD = "b8180000008ed0eb0a90909090909090909090";
const other = (length: number): Buffer => Buffer.alloc(length, 0xcc);
const code = (hex: string): Buffer => Buffer.from(hex, "hex");

test("the segment is loaded in place of the switch, and nothing else is changed", () => {
  const kernel = Buffer.concat([other(100), code(ENTRY + SWITCH), other(100)]);
  assert.equal(segmentPatch(kernel), { offset: 116, bytes: code(LOAD) });
});

test("a kernel without the place, or with two, or with another one, stays as it is", () => {
  const place = code(ENTRY + SWITCH);
  assert.is(segmentPatch(other(300)), undefined);
  assert.is(segmentPatch(code(`0f01f8909090${SWITCH}`)), undefined);
  assert.is(segmentPatch(Buffer.concat([place, other(9), place])), undefined);
  for (let at = 0; at < place.length; at += 1) {
    if (at === 9) continue; // How far the jump goes does not count.
    const changed = Buffer.from(place);
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.is(segmentPatch(changed), undefined, `byte ${at}`);
  }
});

test("the copy is made once, and the kernel itself is not touched", async () => {
  await using folder = await temporaryFolder();
  await mkdir(folder.file("vmlinux"));
  const path = folder.file("vmlinux/digest");
  const kernel = Buffer.concat([other(5000), code(ENTRY + SWITCH), other(5000)]);
  await writeFile(path, kernel);
  const copy = await emulatedKernel(path, folder.path);
  assert.is.not(copy, path);
  assert.equal(await readFile(copy), Buffer.concat([other(5000), code(ENTRY + LOAD), other(5000)]));
  assert.equal(await readFile(path), kernel);
  const { ino } = await stat(copy);
  assert.is(await emulatedKernel(path, folder.path), copy);
  assert.is((await stat(copy)).ino, ino);
});

test("a kernel that stays as it is is looked at once, and one that cannot be read is left to QEMU", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("digest");
  await writeFile(path, other(5000));
  const same = await emulatedKernel(path, folder.path);
  assert.is((await stat(same)).ino, (await stat(path)).ino);
  assert.is(await emulatedKernel(path, folder.path), same);
  assert.is(await emulatedKernel("/nowhere/k", folder.path), "/nowhere/k");
  assert.is(await emulatedKernel(path, path), path);
});

test("Linux never isolates page tables there", () => {
  assert.ok(
    kernelCommandLine({ accelerator: "tcg", isDebian: false, vcpuCount: 1 })
      .split(" ")
      .includes("mitigations=off"),
  );
});

test.run();
