import fc from "fast-check";
import * as assert from "uvu/assert";
import { ImageError } from "../../../../image-builder/errors.ts";
import {
  isElfKernel,
  kernelRelease,
  unpackKernel,
} from "../../../../image-builder/kernels/bz-image.ts";
import { suite } from "../../../support/suite.ts";
import { bzImage, elfKernel } from "./kernel-fixture.ts";

const test = suite("bzImage");

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    assert.instance(error, ImageError);
    assert.is((error as ImageError).code, "WL_IMAGE_KERNEL_UNAVAILABLE");
    assert.ok((error as ImageError).facts.next);
    return (error as ImageError).message;
  }
  return assert.unreachable("was accepted") as never;
}

test("the release is the first word of the version string", () => {
  assert.is(
    kernelRelease(bzImage({ release: "6.1.0-56-cloud-amd64" }), "f"),
    "6.1.0-56-cloud-amd64",
  );
});

test("a release that cannot be a folder's name is refused", () => {
  for (const release of ["", "../../etc", "current", ".new-x", "6.1/x", "6.1\n", "6".repeat(200)]) {
    assert.match(
      refusal(() => kernelRelease(bzImage({ release }), "f")),
      /it names no release/,
    );
  }
});

test("the kernel inside comes out whole, however it was packed", () => {
  const content = elfKernel("some kernel");
  for (const packing of ["none", "gzip", "lz4"] as const) {
    assert.equal(unpackKernel(bzImage({ content, packing }), "f"), content, packing);
  }
});

test("a packing that Node does not know leaves the bzImage to unpack itself", () => {
  assert.is(unpackKernel(bzImage({ packing: "xz" }), "f"), undefined);
});

test("a payload that holds no ELF kernel is no kernel", () => {
  const content = Buffer.from("something else, long enough to be packed ".repeat(100));
  for (const packing of ["none", "gzip", "lz4"] as const) {
    assert.is(unpackKernel(bzImage({ content, packing }), "f"), undefined, packing);
  }
});

test("a file that is neither kernel is refused with its name", () => {
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(4096), Buffer.from("#!/bin/sh\n")]) {
    assert.not.ok(isElfKernel(bytes));
    assert.match(
      refusal(() => kernelRelease(bytes, "/a/file")),
      /"\/a\/file": it is neither a bzImage/,
    );
    assert.match(
      refusal(() => unpackKernel(bytes, "/a/file")),
      /neither a bzImage nor an ELF/,
    );
  }
});

test("a kernel that is cut off is refused", () => {
  const whole = bzImage();
  assert.match(
    refusal(() => unpackKernel(whole.subarray(0, 2100), "f")),
    /it is cut off/,
  );
  const short = Buffer.from(whole);
  short.writeUInt32LE(8, 0x24c);
  assert.match(
    refusal(() => unpackKernel(short, "f")),
    /it is cut off/,
  );
});

test("a damaged payload is refused", () => {
  for (const packing of ["gzip", "lz4"] as const) {
    const bytes = bzImage({ packing });
    bytes.fill(0xff, 2048 + 32 + 12, 2048 + 32 + 20);
    assert.match(
      refusal(() => unpackKernel(bytes, "f")),
      /its payload is damaged/,
      packing,
    );
  }
});

test("whatever a file holds, it gives a kernel, none, or an ImageError", () => {
  const whole = [
    bzImage({ packing: "gzip" }),
    bzImage({ packing: "lz4" }),
    bzImage({ packing: "xz" }),
  ];
  const change = fc.record({
    which: fc.nat(2),
    // The fields that are read, and the begin of the payload.
    at: fc.oneof(
      fc.constantFrom(0x1f1, 0x202, 0x20e, 0x20f, 0x248, 0x24a, 0x24b, 0x24c, 0x24e, 0x24f),
      fc.integer({ min: 2080, max: 2200 }),
    ),
    value: fc.nat(255),
    length: fc.nat(9000),
  });
  const attempt = (work: () => unknown): void => {
    try {
      work();
    } catch (error) {
      assert.instance(error, ImageError, String(error));
    }
  };
  fc.assert(
    fc.property(change, ({ which, at, value, length }) => {
      const bytes = Buffer.from(whole[which] ?? []);
      bytes[at] = value;
      for (const file of [bytes, bytes.subarray(0, length)]) {
        attempt(() => kernelRelease(file, "f"));
        attempt(() => unpackKernel(file, "f"));
      }
    }),
    { numRuns: 300 },
  );
});

test.run();
