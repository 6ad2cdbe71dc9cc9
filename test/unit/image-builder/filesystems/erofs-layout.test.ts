import * as fc from "fast-check";
import * as assert from "uvu/assert";
import {
  decodeDirectoryBlock,
  directoryBytes,
  encodeDirectory,
} from "../../../../image-builder/filesystems/erofs-directory.ts";
import {
  encodeExtentIndex,
  extentIndexBytes,
} from "../../../../image-builder/filesystems/erofs-extent-index.ts";
import { createSlotAllocator } from "../../../../image-builder/filesystems/slot-allocator.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("erofs layout");
const BLOCK = 4096;

test("what fits a block is never placed across two, and nothing overlaps", () =>
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 32, max: 10_000 }), { maxLength: 300 }), (sizes) => {
      const slots = createSlotAllocator();
      const placed = sizes.map((size) => ({ at: slots.place(size), size }));
      for (const { at, size } of placed) {
        assert.ok(at > 0 && at % 32 === 0);
        const blocks = Math.floor((at + size - 1) / BLOCK) - Math.floor(at / BLOCK) + 1;
        assert.is(blocks, Math.ceil(size / BLOCK));
        assert.ok(at + size <= slots.sizeBytes);
      }
      const sorted = placed.toSorted((a, b) => a.at - b.at);
      for (const [index, { at }] of sorted.entries()) {
        const before = sorted[index - 1];
        if (before) assert.ok(before.at + before.size <= at);
      }
    }),
  ));

test("small requests fill the gaps that large ones leave", () => {
  const slots = createSlotAllocator();
  for (let index = 0; index < 10; index += 1) slots.place(3000);
  for (let index = 0; index < 10; index += 1) slots.place(1000);
  assert.is(slots.sizeBytes, 10 * BLOCK);
});

test("every block of a directory stands alone", () =>
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 255 }), {
        minLength: 2,
        maxLength: 400,
      }),
      (names) => {
        const members = names
          .map((name, index) => ({ name: Buffer.from(name), type: 1, nid: index + 1 }))
          .sort((a, b) => Buffer.compare(a.name, b.name));
        const data = Buffer.from(encodeDirectory(members));
        assert.is(data.length, directoryBytes(members));
        const decoded = [];
        for (let at = 0; at < data.length; at += BLOCK) {
          decoded.push(...decodeDirectoryBlock(data.subarray(at, at + BLOCK)));
        }
        const expected = members.map(({ name, ...rest }) => ({ ...rest, name: `${name}` }));
        assert.equal(decoded, expected);
      },
    ),
  ));

test("a malformed directory block is refused", () => {
  const good = Buffer.from(
    encodeDirectory(["a", "b"].map((name) => ({ name: Buffer.from(name), type: 1, nid: 5 }))),
  );
  for (const [at, value] of [
    [8, 0],
    [8, 13],
    [8, 255],
    [20, 23],
    [20, 24],
    [20, 27],
  ] as const) {
    const bad = Buffer.from(good);
    bad.writeUInt16LE(value, at);
    assert.throws(() => decodeDirectoryBlock(bad), RangeError, `${at}: ${value}`);
  }
  assert.throws(() => decodeDirectoryBlock(Buffer.alloc(3)), RangeError);
});

test("the index of a file is what the kernel documents", () => {
  // 13 000 bytes: 12 500 in one extent of two blocks, the rest plain.
  const sizeBytes = 13_000;
  const index = Buffer.alloc(extentIndexBytes(sizeBytes));
  encodeExtentIndex(index, 0, [Uint32Array.of(12_500, 2, 500, 0)], 70, sizeBytes);
  const entries = [0, 1, 2, 3].map((cluster) => {
    const at = 16 + cluster * 8;
    return [0, 2, 4, 6].map((field) => index.readUInt16LE(at + field));
  });
  assert.is(index.readUInt16LE(4), 2, "big clusters");
  assert.equal(entries, [
    [1, 0, 70, 0],
    [2, 0, 0x800 | 2, 2],
    [2, 0, 2, 1],
    [0, 12_500 % BLOCK, 72, 0],
  ]);
});

test("an extent that ends inside the last cluster is closed there", () => {
  const index = Buffer.alloc(extentIndexBytes(5000));
  encodeExtentIndex(index, 0, [Uint32Array.of(5000, 1)], 9, 5000);
  assert.equal(
    [...index.subarray(16)],
    [1, 0, 0, 0, 9, 0, 0, 0, 0, 0, (5000 % BLOCK) & 255, 3, 0, 0, 0, 0],
  );
});

test.run();
