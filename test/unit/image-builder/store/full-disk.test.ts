/**
 * Stores on a disk that is full, and then read-only: a tmpfs of 1 MiB in a mount namespace of its own, which goes with the
 * process that has it. Needs the right to mount.
 */
import { spawnSync } from "node:child_process";
import { mkdir } from "node:fs/promises";
import * as assert from "uvu/assert";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("full disk");

const moduleUrl = (path: string): string =>
  JSON.stringify(new URL(`../../../../${path}`, import.meta.url).href);

/** Fills the stores of a full disk and prints the errors' codes and what is left behind. */
const PROGRAM = `
import { spawnSync } from "node:child_process";
import { mkdir, readdir, writeFile } from "node:fs/promises";
const { BlobStore } = await import(${moduleUrl("image-builder/store/blob-store.ts")});
const { ImageStore } = await import(${moduleUrl("image-builder/store/image-store.ts")});
const { KernelStore } = await import(${moduleUrl("image-builder/kernels/kernel-store.ts")});
const { bzImage } = await import(${moduleUrl("test/unit/image-builder/kernels/kernel-fixture.ts")});
const folder = process.argv[1];
const codes = {};
const attempt = async (name, work) => {
  codes[name] = await work.then(() => "done", ({ code, message }) => code + ": " + message);
};
const images = new ImageStore(folder);
const { digest } = await images.blobs.put(Buffer.from("small"));
await images.pin("pinned", digest);
await mkdir(folder + "/kernels");
await writeFile(folder + "/../vmlinuz", Buffer.concat([bzImage(), Buffer.alloc(2 ** 21)]));
await attempt("blob", new BlobStore(folder).put(Buffer.alloc(2 ** 21)));
await attempt("kernel", new KernelStore(folder).add({
  vmlinuzPath: folder + "/../vmlinuz", modulePaths: [], source: "test" }));
await writeFile(folder + "/filler", Buffer.alloc(2 ** 20)).catch(() => undefined);
await attempt("pin", images.pin("another", digest));
spawnSync("mount", ["-o", "remount,ro", folder]);
await attempt("read-only pin", images.pin("another", digest));
await attempt("read-only blob", images.blobs.put(Buffer.from("x")));
const left = (await readdir(folder, { recursive: true })).sort();
console.log(JSON.stringify({ codes, left }));
`;

function runOnFullDisk(folder: string): ReturnType<typeof spawnSync> {
  const script =
    'mount -t tmpfs -o size=1m,mode=700 tmpfs "$1" && exec "$2" --import tsx --input-type=module -e "$3" "$1"';
  const shell = ["sh", "-c", script, "sh", folder, process.execPath, PROGRAM];
  return spawnSync("unshare", ["--mount", ...shell], { timeout: 25_000 });
}

const mayMount =
  spawnSync("unshare", ["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], { timeout: 5_000 })
    .status === 0;
const name = "a store on a full or read-only disk says so, and leaves nothing half-written";

if (mayMount) {
  test(name, async () => {
    await using folder = await temporaryFolder();
    await mkdir(folder.file("disk"));
    const { stdout, stderr } = runOnFullDisk(folder.file("disk"));
    const { codes, left } = JSON.parse(String(stdout) || JSON.stringify({ left: String(stderr) }));
    for (const what of ["blob", "kernel", "pin"]) {
      assert.match(
        codes?.[what] ?? String(left),
        /^WL_IMAGE_IO: Cannot write .*: the disk is full$/,
        what,
      );
    }
    for (const what of ["read-only pin", "read-only blob"]) {
      assert.match(codes[what], /^WL_IMAGE_IO: .*: the file system is read-only$/, what);
    }
    assert.not.ok(
      left.some((path: string) => path.includes(".new-")),
      left.join(),
    );
    assert.ok(left.includes("pins/pinned"));
  });
} else {
  test.skip("this user may not mount a tmpfs", name);
}

test.run();
