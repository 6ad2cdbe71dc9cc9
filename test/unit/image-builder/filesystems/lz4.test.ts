import * as fc from "fast-check";
import * as assert from "uvu/assert";
import { createLz4Compressor } from "../../../../image-builder/filesystems/lz4-compressor.ts";
import { decompressLz4Block } from "../../../../image-builder/filesystems/lz4-decompressor.ts";
import {
  decompressLz4Legacy,
  LZ4_LEGACY_MAGIC,
} from "../../../../image-builder/filesystems/lz4-legacy-frame.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("lz4");

/** Bytes with everything a matcher meets: runs, repeats from near and far, noise. */
const content = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.tuple(fc.nat(255), fc.nat(700)).map(([byte, size]) => new Uint8Array(size).fill(byte)),
      fc
        .tuple(fc.uint8Array({ minLength: 1, maxLength: 12 }), fc.nat(60))
        .map(([word, times]) => Buffer.concat(Array.from({ length: times }, () => word))),
    ),
    { maxLength: 40 },
  )
  .map((parts) => Buffer.concat(parts));

test("a block gives its input back, at any depth", () => {
  return fc.assert(
    fc.property(content, fc.integer({ min: 1, max: 64 }), (bytes, depth) => {
      const compressor = createLz4Compressor(depth);
      const target = new Uint8Array(bytes.length + 64 + bytes.length / 200);
      compressor.load(bytes);
      const progress = compressor.compress(0, bytes.length, target, target.length);
      assert.is(progress.consumedBytes, bytes.length);
      assert.equal(unpack(target, progress), bytes);
    }),
  );
});

test("blocks of a bounded size join to the input and keep the bound", () => {
  return fc.assert(
    fc.property(content, fc.integer({ min: 32, max: 600 }), (bytes, limit) => {
      const compressor = createLz4Compressor(8);
      compressor.load(bytes);
      const parts: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; ) {
        const target = new Uint8Array(limit);
        const progress = compressor.compress(at, bytes.length, target, limit);
        assert.ok(progress.consumedBytes > 0);
        assert.ok(progress.producedBytes <= limit);
        parts.push(unpack(target, progress));
        at += progress.consumedBytes;
      }
      assert.equal(Buffer.concat(parts), bytes);
    }),
  );
});

test("every block keeps the format's end rules", () => {
  return fc.assert(
    fc.property(content, fc.integer({ min: 32, max: 600 }), (bytes, limit) => {
      const compressor = createLz4Compressor(4);
      compressor.load(bytes);
      for (let at = 0; at < bytes.length; ) {
        const target = new Uint8Array(limit);
        const progress = compressor.compress(at, bytes.length, target, limit);
        const { lastMatchStart, closingLiterals } = endOf(target, progress.producedBytes);
        if (lastMatchStart !== undefined) {
          assert.ok(closingLiterals >= 5, "the last 5 bytes are literals");
          assert.ok(lastMatchStart + 12 <= progress.consumedBytes, "the last match starts early");
        }
        at += progress.consumedBytes;
      }
    }),
  );
});

test("matches reach 65 535 bytes back and no farther", () => {
  for (const [distance, found] of [
    [65_535, true],
    [65_536, false],
  ] as const) {
    const bytes = noise(distance + 1000);
    bytes.copyWithin(distance, 0, 900);
    const compressor = createLz4Compressor(64);
    const target = new Uint8Array(bytes.length + 1024);
    compressor.load(bytes);
    const progress = compressor.compress(0, bytes.length, target, target.length);
    assert.equal(unpack(target, progress), Buffer.from(bytes));
    assert.is(progress.producedBytes < bytes.length, found, `distance ${distance}`);
  }
});

test("a long run takes time and space in proportion", () => {
  const bytes = new Uint8Array(4 * 1024 * 1024);
  const compressor = createLz4Compressor(256);
  const target = new Uint8Array(bytes.length);
  compressor.load(bytes);
  const progress = compressor.compress(0, bytes.length, target, target.length);
  assert.is(progress.consumedBytes, bytes.length);
  assert.ok(progress.producedBytes < bytes.length / 200);
});

test("a hostile block is refused or stays in its bounds", () => {
  return fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(400), (block, size) => {
      const guarded = new Uint8Array(size + 16).fill(0xaa);
      try {
        assert.ok(decompressLz4Block(block, guarded.subarray(0, size)) <= size);
      } catch (error) {
        assert.instance(error, RangeError);
      }
      assert.ok(guarded.subarray(size).every((byte) => byte === 0xaa));
    }),
  );
});

test("each kind of damage has its message", () => {
  const cases: Array<[number[], RegExp]> = [
    [[], /closing literals/],
    [[0xf0], /literal length/],
    [[0x50, 1, 2], /literals run past/],
    [[0x10, 1, 1], /offset is cut off/],
    [[0x10, 1, 2, 0], /before the start/],
    [[0x10, 1, 0, 0], /before the start/],
    [[0x1f, 1, 1, 0], /match length/],
    [[0x10, 1, 1, 0], /closing literals/],
    [[0x1f, 1, 1, 0, 255, 0, 0x10, 1], /more bytes than expected/],
  ];
  for (const [bytes, message] of cases) {
    const decompress = () => decompressLz4Block(Uint8Array.from(bytes), new Uint8Array(32));
    assert.throws(decompress, message, JSON.stringify(bytes));
  }
});

test("a legacy frame is read with and without a kernel's size at its end", () => {
  const text = Buffer.from("kernel ".repeat(1000));
  const block = compress(text);
  const frame = Buffer.concat([u32(LZ4_LEGACY_MAGIC), u32(block.length), block]);
  assert.equal(Buffer.from(decompressLz4Legacy(frame)), text);
  const payload = Buffer.concat([frame, u32(text.length)]);
  assert.equal(Buffer.from(decompressLz4Legacy(payload)), text);
});

test("a legacy frame that is cut off, foreign or too large is refused", () => {
  const block = compress(Buffer.alloc(1000));
  const frame = Buffer.concat([u32(LZ4_LEGACY_MAGIC), u32(block.length), block]);
  assert.throws(() => decompressLz4Legacy(frame.subarray(0, -1)), /cut off/);
  assert.throws(() => decompressLz4Legacy(Buffer.concat([frame, u32(7)])), /cut off/);
  assert.throws(() => decompressLz4Legacy(frame.subarray(4)), /magic/);
  assert.throws(() => decompressLz4Legacy(frame, { maxBytes: 999 }), /more than 999/);
});

function compress(bytes: Uint8Array): Uint8Array {
  const compressor = createLz4Compressor(16);
  const target = new Uint8Array(bytes.length + 64);
  compressor.load(bytes);
  const { producedBytes } = compressor.compress(0, bytes.length, target, target.length);
  return target.subarray(0, producedBytes);
}

function unpack(
  block: Uint8Array,
  { producedBytes, consumedBytes }: { producedBytes: number; consumedBytes: number },
): Buffer {
  const target = Buffer.alloc(consumedBytes);
  assert.is(decompressLz4Block(block.subarray(0, producedBytes), target), consumedBytes);
  return target;
}

/** Where the last match begins in the content and how many literals follow the last match. */
function endOf(block: Uint8Array, size: number) {
  let at = 0;
  let position = 0;
  let lastMatchStart: number | undefined;
  const length = (code: number): number => {
    let total = code;
    for (let byte = code === 15 ? 255 : 0; byte === 255; total += byte) byte = block[at++] ?? 0;
    return total;
  };
  for (;;) {
    const token = block[at++] ?? 0;
    const literals = length(token >> 4);
    at += literals;
    position += literals;
    if (at >= size) return { lastMatchStart, closingLiterals: literals };
    at += 2;
    lastMatchStart = position;
    position += length(token & 15) + 4;
  }
}

/** Bytes without repeats worth a match; the same on every run. */
function noise(size: number): Uint8Array {
  let state = 1;
  return new Uint8Array(size).map(() => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

test.run();
