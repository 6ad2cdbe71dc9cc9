import { writeFile } from "node:fs/promises";
import { basename } from "node:path";
import fc from "fast-check";
import * as assert from "uvu/assert";
import { ImageError } from "../../../../image-builder/errors.ts";
import { moduleDependencies, withoutSignature } from "../../../../image-builder/kernels/module.ts";
import { moduleLoadOrder } from "../../../../image-builder/kernels/module-set.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";
import { kernelModule } from "./kernel-fixture.ts";

const test = suite("kernel modules");

/** Writes modules with their dependencies and gives the load order of the wanted ones, by name. */
async function orderOf(
  modules: Readonly<Record<string, readonly string[]>>,
  wanted: readonly string[],
): Promise<string[]> {
  await using folder = await temporaryFolder();
  const paths: string[] = [];
  for (const [name, depends] of Object.entries(modules)) {
    const path = folder.file(`${name}.ko`);
    await writeFile(path, kernelModule(depends));
    paths.push(path);
  }
  return (await moduleLoadOrder(paths, wanted)).map((path) => basename(path, ".ko"));
}

test("a module says what it depends on", () => {
  assert.equal(moduleDependencies(kernelModule(), "f"), []);
  assert.equal(moduleDependencies(kernelModule(["virtio", "virtio_ring"]), "f"), [
    "virtio",
    "virtio_ring",
  ]);
});

/** What scripts/sign-file.c of Linux appends: the signature, struct module_signature, a line. */
function signed(module: Buffer, signature: Uint8Array): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt32BE(signature.length, 8);
  return Buffer.concat([module, signature, header, Buffer.from("~Module signature appended~\n")]);
}

test("a module's signature is taken off, and nothing else", () => {
  const bytes = fc.uint8Array({ maxLength: 200 });
  fc.assert(
    fc.property(bytes, bytes, (content, signature) => {
      const module = Buffer.from(content);
      assert.equal(withoutSignature(module), module);
      assert.equal(withoutSignature(signed(module, signature)), module);
    }),
  );
  const tooLong = signed(Buffer.alloc(8), Buffer.alloc(4));
  tooLong.writeUInt32BE(1000, 8 + 4 + 8);
  assert.equal(withoutSignature(tooLong), tooLong);
});

test("what a module needs is loaded before it, each once", async () => {
  const modules = {
    erofs: ["libcrc32c"],
    libcrc32c: [],
    virtio_blk: ["virtio_ring", "virtio"],
    virtio_ring: ["virtio"],
    virtio: [],
    unwanted: [],
  };
  const order = await orderOf(modules, ["virtio_blk", "erofs"]);
  assert.equal(order, ["virtio", "virtio_ring", "virtio_blk", "libcrc32c", "erofs"]);
});

test("a module that is built into the kernel is left out, wanted or needed", async () => {
  assert.equal(await orderOf({ erofs: ["libcrc32c"] }, ["overlay", "erofs"]), ["erofs"]);
});

test("a dash in a file's name is an underscore in a module's", async () => {
  const modules = { "virtio-rng": ["rng-core"], "rng-core": [] };
  assert.equal(await orderOf(modules, ["virtio_rng"]), ["rng-core", "virtio-rng"]);
});

test("modules that need each other do not loop", async () => {
  assert.equal(await orderOf({ a: ["b"], b: ["a"] }, ["a"]), ["b", "a"]);
});

test("a file that is no module is refused with its name", () => {
  const other = Buffer.from(kernelModule());
  other.writeUInt16LE(183, 18); // aarch64
  for (const bytes of [Buffer.alloc(0), Buffer.from("text"), other]) {
    assert.throws(
      () => moduleDependencies(bytes, "/x/a.ko"),
      (error: ImageError) =>
        error.code === "WL_IMAGE_KERNEL_UNAVAILABLE" && error.message.includes('"/x/a.ko"'),
    );
  }
});

test("whatever a file holds, it gives names or an ImageError", () => {
  const whole = kernelModule(["a", "b"]);
  fc.assert(
    fc.property(
      fc.nat(whole.length - 1),
      fc.nat(255),
      fc.nat(whole.length),
      (at, value, length) => {
        const bytes = Buffer.from(whole);
        bytes[at] = value;
        for (const file of [bytes, bytes.subarray(0, length)]) {
          try {
            assert.ok(Array.isArray(moduleDependencies(file, "f")));
          } catch (error) {
            assert.instance(error, ImageError);
          }
        }
      },
    ),
    { numRuns: 500 },
  );
});

test.run();
