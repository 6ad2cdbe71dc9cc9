import { open, stat } from "node:fs/promises";
import fc from "fast-check";
import * as assert from "uvu/assert";
import {
  BLOCK_BYTES,
  BLOCKS_PER_GROUP,
  EXT4_MAX_MIB,
  EXT4_MIN_MIB,
  type Ext4Layout,
  ext4Layout,
  INODE_BYTES,
} from "../../../../image-builder/filesystems/ext4-layout.ts";
import {
  contentDigest,
  emptyExt4,
  writeDisk,
} from "../../../../image-builder/filesystems/ext4-writer.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("ext4");

const anySize = fc.oneof(
  fc.integer({ min: EXT4_MIN_MIB, max: 4096 }),
  fc.integer({ min: EXT4_MIN_MIB, max: EXT4_MAX_MIB }),
);

/** Every run of blocks that has a purpose, as [first, count]. */
function takenRuns(layout: Ext4Layout): [number, number][] {
  const table = (layout.inodesPerGroup * INODE_BYTES) / BLOCK_BYTES;
  return [
    [0, 1],
    [1, layout.descriptorBlocks],
    [layout.rootBlock, 1],
    [layout.lostAndFoundBlock, 1],
    [layout.journalBlock, layout.journalBlocks],
    ...layout.groups.flatMap(({ blockBitmap, inodeBitmap, inodeTable }): [number, number][] => [
      [blockBitmap, 1],
      [inodeBitmap, 1],
      [inodeTable, table],
    ]),
  ];
}

test("nothing overlaps, all of it is inside and counted as used", () => {
  fc.assert(
    fc.property(anySize, (sizeMib) => {
      const layout = ext4Layout(sizeMib);
      const runs = takenRuns(layout).sort(([a], [b]) => a - b);
      let end = 0;
      let taken = 0;
      for (const [first, count] of runs) {
        assert.ok(first >= end, `block ${first} is taken twice`);
        const group = layout.groups[Math.floor(first / BLOCKS_PER_GROUP)];
        assert.ok(group && first + count <= group.firstBlock + group.usedBlocks, `block ${first}`);
        end = first + count;
        taken += count;
      }
      assert.is(
        layout.groups.reduce((sum, { usedBlocks }) => sum + usedBlocks, 0),
        taken,
      );
      for (const { usedBlocks, blockCount } of layout.groups) assert.ok(usedBlocks <= blockCount);
      const lostMib = sizeMib - layout.blockCount / 256;
      assert.ok(lostMib >= 0 && lostMib < 5, `${lostMib} MiB are not used`);
    }),
    { numRuns: 200 },
  );
});

test("the pieces are in the file, few, and the same every time", () => {
  fc.assert(
    fc.property(anySize, (sizeMib) => {
      const content = emptyExt4(sizeMib);
      assert.is(content.sizeBytes, sizeMib * 1024 * 1024);
      let bytes = 0;
      for (const piece of content.pieces) {
        assert.ok(piece.offsetBytes + piece.bytes.length <= content.sizeBytes);
        bytes += piece.bytes.length;
      }
      assert.ok(bytes < 32_768 + sizeMib * 4, `${bytes} bytes for ${sizeMib} MiB`);
    }),
    { numRuns: 20 },
  );
  assert.is(contentDigest(emptyExt4(1024)), contentDigest(emptyExt4(1024)));
  assert.is.not(contentDigest(emptyExt4(1024)), contentDigest(emptyExt4(1025)));
});

/** Overlays stand on these bytes for as long as they live: a change needs a new name, and gets it. */
test("the bytes are those of the version before", () => {
  const digests = [16, 64, 1024, 10_240].map((sizeMib) => contentDigest(emptyExt4(sizeMib)));
  assert.equal(digests, DIGESTS);
});

const DIGESTS = [
  "281cf79ab23313800c21268b4ebf8252ae134365c0ea0e140b7e6a2461ace0f6",
  "0fa29cdbd28f22770e8e0fb1b9e56c1a86a9b5c0f408d7b6ba2e2a5945fc87bd",
  "d25d9ca598d38e755395b03a1e7f02ca4c5ce3b5c81973499b27b4213edcd650",
  "051028e9530c3797530de8aaad70a32783d58f2fc13dbca37ab9a0793b58d4c5",
];

test("refuses sizes that it has no layout for", () => {
  for (const sizeMib of [0, 15, 16.5, EXT4_MAX_MIB + 1, Number.NaN]) {
    assert.throws(
      () => ext4Layout(sizeMib),
      (error: Error) => error instanceof RangeError,
    );
  }
});

test("a disk is written as a hole with a few pieces in it", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("disk");
  const content = emptyExt4(1024);
  await writeDisk(path, content, 0o400);
  const { size, blocks, mode } = await stat(path);
  assert.is(size, 1024 ** 3);
  assert.ok(blocks * 512 < 256 * 1024, `${blocks} sectors`);
  assert.is(mode & 0o777, 0o400);
  await using file = await open(path, "r");
  for (const { offsetBytes, bytes } of content.pieces) {
    const found = Buffer.alloc(bytes.length);
    await file.read(found, 0, found.length, offsetBytes);
    assert.ok(found.equals(bytes), `at ${offsetBytes}`);
  }
  const again = await writeDisk(path, content, 0o400).catch((error) => error);
  assert.is(again.code, "EEXIST");
});

test.run();
