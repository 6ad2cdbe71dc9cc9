import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import * as assert from "uvu/assert";
import { ImageError } from "../../../../image-builder/errors.ts";
import { bootKernel } from "../../../../image-builder/kernels/boot-kernel.ts";
import { findHostKernel } from "../../../../image-builder/kernels/host-kernel.ts";
import { chooseKernel } from "../../../../image-builder/kernels/kernel-choice.ts";
import {
  type KernelFiles,
  KernelStore,
  modulePath,
  modulePaths,
  vmlinuzPath,
} from "../../../../image-builder/kernels/kernel-store.ts";
import { suite } from "../../../support/suite.ts";
import { type TemporaryFolder, temporaryFolder } from "../../../support/temporary-folder.ts";
import { bzImage, elfKernel, kernelModule } from "./kernel-fixture.ts";

const test = suite("kernel store");

async function kernelFiles(
  folder: TemporaryFolder,
  { release = "6.1.0-test", modules = true, text = "kernel" } = {},
): Promise<KernelFiles> {
  const source = folder.file(`source-${release}-${text}`);
  await mkdir(source, { recursive: true });
  const path = join(source, `vmlinuz-${release}`);
  await writeFile(path, bzImage({ release, content: elfKernel(text) }));
  const modulePaths = modules ? ["erofs.ko", "lib.ko"].map((name) => join(source, name)) : [];
  const [erofs, lib] = modulePaths;
  if (erofs && lib) {
    await writeFile(erofs, kernelModule(["lib"]));
    await writeFile(lib, kernelModule());
  }
  return { vmlinuzPath: path, modulePaths, source: `test ${release}` };
}

/** Puts modules, with what they depend on, beside those of a kernel. Returns the paths of all. */
async function addModules(
  { vmlinuzPath: path, modulePaths: present }: KernelFiles,
  modules: Readonly<Record<string, readonly string[]>>,
): Promise<string[]> {
  const added: string[] = [];
  for (const [name, depends] of Object.entries(modules)) {
    added.push(join(dirname(path), name));
    await writeFile(join(dirname(path), name), kernelModule(depends));
  }
  return [...present, ...added];
}

async function refusal(work: Promise<unknown>): Promise<ImageError> {
  const error = await work.then(
    () => assert.unreachable("was accepted"),
    (caught) => caught,
  );
  assert.instance(error, ImageError, String(error));
  return error as ImageError;
}

test("a kernel is kept with its modules in load order; the first one is the current one", async () => {
  await using folder = await temporaryFolder();
  const store = new KernelStore(folder.path);
  assert.equal(await store.list(), []);
  assert.is(await store.current(), undefined);
  const files = await kernelFiles(folder);
  const kernel = await store.add(files);
  assert.is(kernel.release, "6.1.0-test");
  assert.equal(kernel.modules, ["lib.ko", "erofs.ko"]);
  assert.equal(await readFile(vmlinuzPath(kernel)), await readFile(files.vmlinuzPath));
  assert.equal(await readFile(modulePath(kernel, "lib.ko")), kernelModule());
  assert.equal(await store.current(), kernel);
  assert.equal(await store.get("6.1.0-test"), kernel);
});

test("another one becomes current only when it is told to", async () => {
  await using folder = await temporaryFolder();
  const store = new KernelStore(folder.path);
  await store.add(await kernelFiles(folder, { release: "6.1.0-a" }));
  await store.add(await kernelFiles(folder, { release: "6.1.0-b" }));
  assert.equal(
    (await store.list()).map(({ release }) => release),
    ["6.1.0-a", "6.1.0-b"],
  );
  assert.is((await store.current())?.release, "6.1.0-a");
  await store.use("6.1.0-b");
  assert.is((await store.current())?.release, "6.1.0-b");
});

test("an unknown release is refused with those there are; a path is no release", async () => {
  await using folder = await temporaryFolder();
  const store = new KernelStore(folder.path);
  assert.match((await refusal(store.get("6.1"))).message, /no such kernel \(it has: none\)/);
  await store.add(await kernelFiles(folder));
  assert.match((await refusal(store.use("6.2"))).message, /\(it has: 6\.1\.0-test\)/);
  for (const name of ["..", ".", "../kernels", "current", ".lock", ""]) {
    assert.is((await refusal(store.get(name))).code, "WL_IMAGE_KERNEL_UNAVAILABLE", name);
  }
});

test("the same kernel without its modules does not take them from the one that has them", async () => {
  await using folder = await temporaryFolder();
  const store = new KernelStore(folder.path);
  const files = await kernelFiles(folder);
  await store.add(files);
  const chosen = await chooseKernel(store, files.vmlinuzPath);
  assert.equal(chosen.modules, ["lib.ko", "erofs.ko"]);
});

test("spare modules are kept in load order, and not among those that are loaded", async () => {
  await using folder = await temporaryFolder();
  const store = new KernelStore(folder.path);
  const files = await kernelFiles(folder);
  const spare = { "kvm-amd.ko": ["kvm", "lib"], "kvm.ko": [], "unwanted.ko": [] };
  const paths = await addModules(files, spare);
  const kernel = await store.add({ ...files, modulePaths: paths });
  assert.equal(kernel.modules, ["lib.ko", "erofs.ko"]);
  assert.equal(kernel.spareModules, ["kvm.ko", "kvm-amd.ko"]);
  const kept = modulePaths(kernel).map((path) => basename(path));
  assert.equal(kept, ["lib.ko", "erofs.ko", "kvm.ko", "kvm-amd.ko"]);
  assert.equal((await readdir(join(kernel.folder, "modules"))).sort(), [...kept].sort());
});

test("a kernel from before spare modules were kept gets them when it is added again", async () => {
  await using folder = await temporaryFolder();
  const store = new KernelStore(folder.path);
  const files = await kernelFiles(folder);
  const { folder: home, spareModules: _none, ...older } = await store.add(files);
  await writeFile(join(home, "kernel.json"), JSON.stringify(older));
  assert.equal((await store.current())?.spareModules, []);
  const paths = await addModules(files, { "kvm-amd.ko": [] });
  const kernel = await store.add({ ...files, modulePaths: paths });
  assert.equal(kernel.spareModules, ["kvm-amd.ko"]);
  assert.equal(await store.current(), kernel);
});

test("another kernel of the same release takes its place", async () => {
  await using folder = await temporaryFolder();
  const store = new KernelStore(folder.path);
  const first = await store.add(await kernelFiles(folder, { text: "one" }));
  const second = await store.add(await kernelFiles(folder, { text: "two", modules: false }));
  assert.is.not(first.digest, second.digest);
  assert.equal(await store.list(), [second]);
  assert.equal(second.modules, []);
});

test("an ELF kernel is named after its file and content", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("my kernel");
  await writeFile(path, elfKernel());
  const { release, digest } = await chooseKernel(new KernelStore(folder.path), path);
  assert.is(release, `my_kernel-${digest.slice(0, 8)}`);
});

test("what is no kernel is refused, and nothing stays behind", async () => {
  await using folder = await temporaryFolder();
  const store = new KernelStore(folder.path);
  const path = folder.file("text");
  await writeFile(path, "no kernel");
  const files = { vmlinuzPath: path, modulePaths: [], source: "test" };
  assert.is((await refusal(store.add(files))).code, "WL_IMAGE_KERNEL_UNAVAILABLE");
  const missing = { ...files, vmlinuzPath: folder.file("missing") };
  assert.is((await refusal(store.add(missing))).code, "WL_IMAGE_IO");
  assert.match(
    (await refusal(chooseKernel(store, folder.file("missing")))).message,
    /no such file/,
  );
  assert.match((await refusal(chooseKernel(store, `${folder.path}/`))).message, /no such file/);
  assert.equal(await store.list(), []);
});

test("many processes' worth of adds at once end with one whole kernel", async () => {
  await using folder = await temporaryFolder();
  const files = await kernelFiles(folder);
  const kernels = await Promise.all(
    Array.from({ length: 8 }, () => new KernelStore(folder.path).add(files)),
  );
  for (const kernel of kernels) assert.equal(kernel, kernels[0]);
  const names = await readdir(folder.file("kernels"));
  assert.equal(names.sort(), [".lock", "6.1.0-test", "current"]);
});

test("a writer that is killed leaves no kernel, and its remains go at the next add", async ({
  signal,
}) => {
  await using folder = await temporaryFolder();
  const store = new KernelStore(folder.path);
  const files = await kernelFiles(folder);
  const half = join(folder.file("kernels"), ".new-half");
  const { folder: _folder, ...record } = await store.add(files);
  await mkdir(half);
  await writeFile(join(half, "kernel.json"), JSON.stringify(record));
  assert.is((await store.list()).length, 1);
  assert.not.ok((await store.list())[0]?.folder.includes(".new-"));
  const writer = await killedWriter(folder, signal);
  assert.is(writer.signalCode, "SIGKILL");
  assert.is((await store.list()).length, 1);
  await store.add(await kernelFiles(folder, { release: "6.1.0-next" }));
  const names = await readdir(folder.file("kernels"));
  assert.not.ok(
    names.some((name) => name.startsWith(".new-")),
    names.join(),
  );
});

/** A process that is killed while it holds the lock and has written half a kernel. */
async function killedWriter(folder: TemporaryFolder, signal: AbortSignal): Promise<ChildProcess> {
  const lockModule = new URL("../../../../image-builder/store/file-lock.ts", import.meta.url).href;
  const program = `
    import { mkdir } from "node:fs/promises";
    const { lockFile } = await import(${JSON.stringify(lockModule)});
    globalThis.lock = await lockFile(${JSON.stringify(folder.file("kernels/.lock"))});
    await mkdir(${JSON.stringify(folder.file("kernels/.new-killed"))});
    process.stdout.write("half");
    process.stdin.resume();
  `;
  const argv = ["--import", "tsx", "--input-type=module", "-e", program];
  const child = spawn(process.execPath, argv, { stdio: ["pipe", "pipe", "inherit"] });
  await once(child.stdout, "data", { signal });
  child.kill("SIGKILL");
  await once(child, "close", { signal });
  return child;
}

test("a damaged record is no kernel, and does not hide the others", async () => {
  await using folder = await temporaryFolder();
  const store = new KernelStore(folder.path);
  await store.add(await kernelFiles(folder, { release: "6.1.0-a" }));
  const kernel = await store.add(await kernelFiles(folder, { release: "6.1.0-b" }));
  await writeFile(join(kernel.folder, "kernel.json"), '{"release":');
  assert.equal(
    (await store.list()).map(({ release }) => release),
    ["6.1.0-a"],
  );
});

test("without any kernel the error says how to get one", async () => {
  await using folder = await temporaryFolder();
  if (await findHostKernel()) return; // This machine has one: it would be taken in.
  const error = await refusal(chooseKernel(new KernelStore(folder.path)));
  assert.match(error.facts.next ?? "", /windlass kernel add debian/);
});

test("the newest installed cloud kernel that can be used is found", async () => {
  await using folder = await temporaryFolder();
  assert.is(await findHostKernel(folder.path), undefined);
  const install = async (release: string, modules: readonly string[]): Promise<void> => {
    await mkdir(folder.file("boot"), { recursive: true });
    await writeFile(folder.file(`boot/vmlinuz-${release}`), bzImage({ release }));
    const target = folder.file(`lib/modules/${release}/kernel/fs`);
    await mkdir(target, { recursive: true });
    for (const name of modules) await writeFile(join(target, name), kernelModule());
  };
  await install("6.1.0-9-cloud-amd64", ["erofs.ko"]);
  await install("6.1.0-56-cloud-amd64", ["erofs.ko"]);
  await install("6.1.0-100-amd64", ["erofs.ko"]);
  await install("6.1.0-99-cloud-amd64", ["erofs.ko.xz"]);
  const found = await findHostKernel(folder.path);
  assert.is(found?.vmlinuzPath, folder.file("boot/vmlinuz-6.1.0-56-cloud-amd64"));
  assert.equal(found?.modulePaths, [
    folder.file("lib/modules/6.1.0-56-cloud-amd64/kernel/fs/erofs.ko"),
  ]);
});

test("the kernel to boot is the unpacked one, made once", async () => {
  await using folder = await temporaryFolder();
  const content = elfKernel("boot me");
  const path = folder.file("vmlinuz");
  await writeFile(path, bzImage({ content }));
  const packed = { path, digest: "d".repeat(64) };
  const booted = await bootKernel(packed, folder.path);
  assert.equal(await readFile(booted), content);
  // The packed one is not even looked at again.
  assert.is(await bootKernel({ ...packed, path: folder.file("gone") }, folder.path), booted);
  assert.equal(await readdir(folder.file("vmlinux")), [packed.digest]);
});

test("a kernel that cannot be unpacked, or need not be, boots as it is", async () => {
  await using folder = await temporaryFolder();
  for (const bytes of [bzImage({ packing: "xz" }), elfKernel()]) {
    const path = folder.file("kernel");
    await writeFile(path, bytes);
    assert.is(await bootKernel({ path, digest: "e".repeat(64) }, folder.path), path);
  }
});

test("holes of an unpacked kernel stay zeros, whatever its size", async () => {
  await using folder = await temporaryFolder();
  for (const [index, size] of [4096, 4097, 12_288, 20_000, 8191].entries()) {
    const content = Buffer.alloc(size);
    content.set(elfKernel().subarray(0, 64));
    content[size - 1] = index % 2; // The last page is a hole, or is not.
    const path = folder.file("vmlinuz");
    await writeFile(path, bzImage({ content }));
    const kernel = { path, digest: String(index).repeat(64) };
    assert.equal(await readFile(await bootKernel(kernel, folder.path)), content, `${size}`);
  }
});

test("a kernel that is not the current one is removed", async () => {
  await using folder = await temporaryFolder();
  const store = new KernelStore(folder.path);
  await store.add(await kernelFiles(folder, { release: "6.1.0-a" }));
  const other = await store.add(await kernelFiles(folder, { release: "6.1.0-b" }));
  assert.equal(await store.remove("6.1.0-b"), other);
  assert.equal(
    (await store.list()).map(({ release }) => release),
    ["6.1.0-a"],
  );
  assert.equal((await readdir(folder.file("kernels"))).sort(), [".lock", "6.1.0-a", "current"]);
  const again = await refusal(store.remove("6.1.0-b"));
  assert.is(again.code, "WL_IMAGE_KERNEL_UNAVAILABLE");
});

test("the current kernel is not removed, and the error says what to do first", async () => {
  await using folder = await temporaryFolder();
  const store = new KernelStore(folder.path);
  await store.add(await kernelFiles(folder, { release: "6.1.0-a" }));
  const alone = await refusal(store.remove("6.1.0-a"));
  assert.is(alone.code, "WL_IMAGE_STORE");
  assert.match(alone.facts.next ?? "", "windlass kernel add debian");
  await store.add(await kernelFiles(folder, { release: "6.1.0-b" }));
  const error = await refusal(store.remove("6.1.0-a"));
  assert.match(error.message, 'Cannot remove kernel "6.1.0-a": it is the current one');
  assert.match(error.facts.next ?? "", "windlass kernel use 6.1.0-b");
  assert.is((await store.current())?.release, "6.1.0-a");
});

test.run();
