/** Debian's real kernel, as Windlass took it in, and packages as dpkg-deb makes and reads them. */
import { spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import * as assert from "uvu/assert";
import { ImageError } from "../../../../image-builder/errors.ts";
import { readCpio } from "../../../../image-builder/filesystems/cpio-newc.ts";
import { bootKernel } from "../../../../image-builder/kernels/boot-kernel.ts";
import { isElfKernel, kernelRelease } from "../../../../image-builder/kernels/bz-image.ts";
import { firstStageArchive } from "../../../../image-builder/kernels/first-stage-archive.ts";
import { addKernelPackage } from "../../../../image-builder/kernels/kernel-package.ts";
import {
  KernelStore,
  modulePath,
  modulePaths,
  vmlinuzPath,
} from "../../../../image-builder/kernels/kernel-store.ts";
import { moduleDependencies } from "../../../../image-builder/kernels/module.ts";
import { presentKernel } from "../../../support/kernel.ts";
import { suite } from "../../../support/suite.ts";
import { type TemporaryFolder, temporaryFolder } from "../../../support/temporary-folder.ts";
import { bzImage, kernelModule } from "../../../unit/image-builder/kernels/kernel-fixture.ts";

const test = suite("Debian's kernel");

const kernel = await presentKernel();
const NO_KERNEL = 'Windlass has no kernel here; "windlass kernel add debian" fetches one';

type Present = NonNullable<typeof kernel>;

function withKernel(name: string, body: (present: Present) => Promise<void>): void {
  if (kernel) test(name, () => body(kernel));
  else test.skip(NO_KERNEL, name);
}

withKernel("its release is the one its modules were built for", async (present) => {
  const bytes = await readFile(vmlinuzPath(present));
  assert.is(kernelRelease(bytes, "vmlinuz"), present.release);
  for (const name of present.modules) {
    const text = (await readFile(modulePath(present, name))).toString("latin1");
    assert.ok(text.includes(`vermagic=${present.release} `), name);
  }
});

withKernel("it unpacks to an ELF kernel with a PVH entry, once", async (present) => {
  await using folder = await temporaryFolder();
  const packed = { path: vmlinuzPath(present), digest: present.digest };
  const path = await bootKernel(packed, folder.path);
  assert.is.not(path, packed.path);
  const bytes = await readFile(path);
  assert.ok(isElfKernel(bytes));
  assert.ok(bytes.includes(Buffer.from("Linux version ")));
  const { stdout, error } = spawnSync("readelf", ["-nW", path]);
  // XEN_ELFNOTE_PHYS32_ENTRY, which binutils do not know by name.
  if (!error) assert.match(stdout.toString(), /Xen\s+0x\d+\s+Unknown note type: \(0x00000012\)/);
});

withKernel("its modules load in an order that depmod agrees with", async (present) => {
  const loaded = new Set<string>();
  for (const path of modulePaths(present)) {
    const name = basename(path);
    for (const needed of moduleDependencies(await readFile(path), path)) {
      assert.ok(loaded.has(needed.replaceAll("-", "_")), `${name} needs ${needed}`);
    }
    loaded.add(basename(name, ".ko").replaceAll("-", "_"));
    const { stdout, error } = spawnSync("/sbin/modinfo", ["-F", "depends", path]);
    if (error) continue;
    assert.equal(
      stdout.toString().trim().split(",").filter(Boolean),
      moduleDependencies(await readFile(path), path),
      name,
    );
  }
});

withKernel(
  "the first-stage archive holds the modules that its executable names",
  async (present) => {
    const archive = await firstStageArchive(present);
    assert.equal(archive, await firstStageArchive(present));
    const entries = readCpio(archive);
    const paths = entries.map(({ path }) => path);
    for (const name of present.modules) assert.ok(paths.includes(`/modules/${name}`), name);
    const init = entries.find(({ path }) => path === "/init");
    assert.is(init?.kind, "file");
    if (init?.kind !== "file" || init.source.kind !== "bytes") return;
    for (const name of present.modules) {
      assert.ok(Buffer.from(init.source.bytes).includes(`/modules/${name}\0`), name);
    }
  },
);

const hasDpkg = !spawnSync("dpkg-deb", ["--version"]).error;

function withDpkg(name: string, body: (context: { signal: AbortSignal }) => Promise<void>): void {
  if (hasDpkg) test(name, body);
  else test.skip("dpkg-deb is missing", name);
}

/** A package with a kernel, modules, and things that are not wanted. */
async function kernelPackage(folder: TemporaryFolder, hasKernel = true): Promise<string> {
  const root = folder.file("root");
  const modules = `${root}/lib/modules/6.1.0-test/kernel`;
  await mkdir(`${root}/DEBIAN`, { recursive: true });
  await mkdir(`${root}/boot`);
  await mkdir(modules, { recursive: true });
  await writeFile(
    `${root}/DEBIAN/control`,
    "Package: linux-image-test\nVersion: 6.1-2\nArchitecture: amd64\n" +
      "Maintainer: nobody <nobody@example.org>\nDescription: test\n",
  );
  if (hasKernel) await writeFile(`${root}/boot/vmlinuz-6.1.0-test`, bzImage());
  await writeFile(`${root}/boot/config-6.1.0-test`, Buffer.alloc(1024 * 1024, "x"));
  await writeFile(`${modules}/erofs.ko`, kernelModule());
  const path = folder.file("kernel.deb");
  const { status, stderr } = spawnSync("dpkg-deb", ["--root-owner-group", "-b", root, path]);
  assert.is(status, 0, stderr.toString());
  return path;
}

async function refusal(work: Promise<unknown>): Promise<ImageError> {
  const error = await work.then(
    () => assert.unreachable("was accepted"),
    (caught) => caught,
  );
  assert.instance(error, ImageError, String(error));
  return error as ImageError;
}

withDpkg("a kernel's package is taken in with its modules and its name", async ({ signal }) => {
  await using folder = await temporaryFolder();
  const path = await kernelPackage(folder);
  const workFolder = folder.file("work");
  const added = await addKernelPackage(new KernelStore(folder.path), path, { workFolder, signal });
  assert.is(added.release, "6.1.0-test");
  assert.is(added.source, "Debian package linux-image-test 6.1-2");
  assert.equal(added.modules, ["erofs.ko"]);
  assert.equal(await readdir(`${workFolder}/root/boot`), ["vmlinuz-6.1.0-test"]);
});

withDpkg("a package without a kernel, cut off, or none at all is refused", async ({ signal }) => {
  await using folder = await temporaryFolder();
  const store = new KernelStore(folder.path);
  const workFolder = folder.file("work");
  const add = (path: string) => addKernelPackage(store, path, { workFolder, signal });
  const path = await kernelPackage(folder, false);
  assert.match((await refusal(add(path))).message, /holds no kernel/);
  await writeFile(folder.file("text.deb"), "text");
  assert.is((await refusal(add(folder.file("text.deb")))).code, "WL_IMAGE_KERNEL_UNAVAILABLE");
  await using other = await temporaryFolder();
  const whole = await readFile(await kernelPackage(other));
  const { size } = await stat(other.file("kernel.deb"));
  await writeFile(path, whole.subarray(0, size - 300));
  assert.is((await refusal(add(path))).code, "WL_IMAGE_KERNEL_UNAVAILABLE");
  assert.equal(await store.list(), []);
});

withDpkg("an abort ends the unpacking with its reason", async () => {
  await using folder = await temporaryFolder();
  const path = await kernelPackage(folder);
  const store = new KernelStore(folder.path);
  for (const turns of [0, 1, 20]) {
    const stop = new AbortController();
    const reason = new Error("stop");
    const options = { workFolder: folder.file("work"), signal: stop.signal };
    const added = addKernelPackage(store, path, options).then(
      () => "done",
      (error) => error,
    );
    for (let turn = 0; turn < turns; turn += 1) await new Promise((done) => setImmediate(done));
    stop.abort(reason);
    const outcome = await added;
    assert.ok(outcome === reason || outcome === "done", String(outcome));
  }
});

test.run();
