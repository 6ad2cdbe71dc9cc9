import * as fc from "fast-check";
import * as assert from "uvu/assert";
import { ImageError } from "../../../../image-builder/errors.ts";
import { readCpio, writeCpio } from "../../../../image-builder/filesystems/cpio-newc.ts";
import { orderTree, type TreeEntry } from "../../../../image-builder/rootfs/tree.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("cpio newc");

const path = fc
  .array(fc.constantFrom("a", "b c", 'q"', "l\nf", "é", "x".repeat(255)), {
    minLength: 1,
    maxLength: 3,
  })
  .map((parts) => `/${parts.join("/")}`);
const entry: fc.Arbitrary<TreeEntry> = fc.oneof(
  fc
    .tuple(path, fc.nat(0o7777), fc.uint8Array({ maxLength: 50 }))
    .map(([folder, mode, bytes]): TreeEntry => {
      const source = { kind: "bytes", bytes } as const;
      return { kind: "file", path: `${folder}/file`, mode, source };
    }),
  fc
    .tuple(path, fc.nat(0o7777))
    .map(([folder, mode]): TreeEntry => ({ kind: "directory", path: folder, mode })),
  fc
    .tuple(path, fc.constantFrom("a", "../é", "t".repeat(300)))
    .map(([folder, target]): TreeEntry => ({ kind: "symlink", path: `${folder}/link`, target })),
);

test("any tree is read back as it was", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { maxLength: 10 }), async (entries) => {
      const tree = orderTree(entries);
      const archive = await writeCpio(tree);
      assert.is(archive.length % 4, 0);
      assert.equal(
        readCpio(archive),
        tree.filter((member) => member.path !== "/"),
      );
    }),
  );
});

test("a known tree gives known bytes", async () => {
  const bytes = Buffer.from("hi");
  const source = { kind: "bytes", bytes } as const;
  const tree = orderTree([{ kind: "file", path: "/d/f", mode: 0o644, source }]);
  const numbers = (...fields: number[]): string =>
    `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
  assert.is(
    Buffer.from(await writeCpio(tree)).toString("latin1"),
    `${numbers(1, 0o40755, 0, 0, 2, 0, 0, 0, 0, 0, 0, 2, 0)}d\0` +
      `${numbers(2, 0o100644, 0, 0, 1, 0, 2, 0, 0, 0, 0, 4, 0)}d/f\0\0\0hi\0\0` +
      `${numbers(0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 11, 0)}TRAILER!!!\0\0\0\0`,
  );
});

test("an archive that is cut off or foreign is refused", async () => {
  const source = { kind: "bytes", bytes: new Uint8Array(9) } as const;
  const archive = await writeCpio(orderTree([{ kind: "file", path: "/f", mode: 0, source }]));
  for (const size of [0, 50, 110, 115, 240]) {
    assert.throws(() => readCpio(archive.subarray(0, size)), RangeError, `${size} bytes`);
  }
  assert.throws(() => readCpio(new Uint8Array(200)), /No newc header at byte 0/);
});

test("a name that the kernel would not unpack is refused", async () => {
  const deep = Array.from({ length: 20 }, () => "n".repeat(250)).join("/");
  const tree = orderTree([{ kind: "directory", path: `/${deep}`, mode: 0o755 }]);
  const error = await writeCpio(tree).catch((reason: unknown) => reason);
  assert.instance(error, ImageError);
  assert.is((error as ImageError).code, "WL_IMAGE_PROJECT_INVALID");
});

test.run();
