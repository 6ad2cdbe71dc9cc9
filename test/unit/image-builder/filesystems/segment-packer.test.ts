import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import * as fc from "fast-check";
import * as assert from "uvu/assert";
import { createLz4Compressor } from "../../../../image-builder/filesystems/lz4-compressor.ts";
import { decompressLz4Block } from "../../../../image-builder/filesystems/lz4-decompressor.ts";
import { openPackerPool } from "../../../../image-builder/filesystems/packer-pool.ts";
import {
  createSegmentPacker,
  type PackedSegment,
} from "../../../../image-builder/filesystems/segment-packer.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("segment packer");
const run = promisify(execFile);
const BLOCK = 4096;

/** Stretches of noise, of repeats and of zeros, each up to some blocks long. */
const segmentBytes = fc
  .array(
    fc.record({
      kind: fc.constantFrom("noise", "text", "zeros"),
      size: fc.integer({ min: 1, max: 5 * BLOCK }),
      seed: fc.nat(),
    }),
    { minLength: 1, maxLength: 8 },
  )
  .map((parts) => Buffer.concat(parts.map(stretch)));

test("extents give the segment back", () => {
  return fc.assert(
    fc.property(segmentBytes, fc.integer({ min: 1, max: 8 }), (segment, clusterBlocks) => {
      const pack = createSegmentPacker(createLz4Compressor(4), clusterBlocks * BLOCK);
      assert.equal(unpack(pack(segment)), segment);
    }),
  );
});

test("extents keep the rules of the index", () => {
  return fc.assert(
    fc.property(segmentBytes, fc.integer({ min: 1, max: 8 }), (segment, clusterBlocks) => {
      const pack = createSegmentPacker(createLz4Compressor(4), clusterBlocks * BLOCK);
      let at = 0;
      let blocksUsed = 0;
      for (const [inputBytes, blocks] of pairs(pack(segment))) {
        const end = at + inputBytes;
        // At most one extent begins in a logical cluster.
        assert.ok(end === segment.length || Math.floor(end / BLOCK) > Math.floor(at / BLOCK));
        assert.ok(blocks <= clusterBlocks);
        if (blocks > 0) assert.ok(blocks < Math.ceil(inputBytes / BLOCK), "compression gains");
        else assert.ok(inputBytes <= BLOCK);
        at = end;
        blocksUsed += Math.max(1, blocks);
      }
      assert.is(at, segment.length);
      assert.ok(blocksUsed <= Math.ceil(segment.length / BLOCK), "never larger than flat");
    }),
  );
});

test("noise stays exactly as it is", () => {
  const segment = stretch({ kind: "noise", size: 100 * BLOCK + 7, seed: 5 });
  const { bytes } = createSegmentPacker(createLz4Compressor(4), 16 * BLOCK)(segment);
  assert.equal(Buffer.from(bytes.subarray(0, segment.length)), segment);
});

test("threads give the same bytes as the caller's own", async () => {
  const segments = [1, 2, 3, 4, 5].map((seed) =>
    Buffer.concat(["text", "noise", "text"].map((kind) => stretch({ kind, size: 90_000, seed }))),
  );
  const pack = createSegmentPacker(createLz4Compressor(8), 16 * BLOCK);
  const expected = segments.map((segment) => pack(segment));
  for (const workerCount of [0, 1, 3]) {
    await using pool = openPackerPool({ workerCount, clusterBytes: 16 * BLOCK, searchDepth: 8 });
    const packed = await Promise.all(
      segments.map((segment) => pool.pack(Uint8Array.from(segment))),
    );
    for (const [index, { bytes, extents }] of packed.entries()) {
      assert.equal(Buffer.from(bytes), Buffer.from(expected[index]?.bytes ?? []));
      assert.equal([...extents], [...(expected[index]?.extents ?? [])]);
    }
  }
});

test("closing the pool rejects what is under way", async () => {
  const pool = openPackerPool({ workerCount: 1, clusterBytes: BLOCK, searchDepth: 1 });
  const packed = pool.pack(new Uint8Array(4 * 1024 * 1024));
  const outcome = packed.then(
    () => "packed",
    (error: Error) => error.message,
  );
  await pool.close();
  assert.match(await outcome, /has ended|packed/);
});

test("threads work from a minified bundle", async () => {
  await using folder = await temporaryFolder();
  const source = join(import.meta.dirname, "../../../../image-builder/filesystems/packer-pool.ts");
  const outfile = join(folder.path, "bundle.mjs");
  const contents = `
    import { openPackerPool } from ${JSON.stringify(source)};
    const pool = openPackerPool({ workerCount: 1, clusterBytes: 65536, searchDepth: 4 });
    const { extents } = await pool.pack(new Uint8Array(20000));
    process.stdout.write([...extents].join());
    await pool.close();`;
  await build({
    stdin: { contents, resolveDir: folder.path, loader: "ts" },
    outfile,
    bundle: true,
    minify: true,
    format: "esm",
    platform: "node",
    target: "node20",
  });
  const { stdout } = await run(process.execPath, [outfile]);
  assert.is(stdout, "20000,1");
});

function stretch({ kind, size, seed }: { kind: string; size: number; seed: number }): Buffer {
  if (kind === "zeros") return Buffer.alloc(size);
  let state = seed >>> 0;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  };
  const noise = Buffer.alloc(size).map(next);
  return kind === "noise" ? Buffer.from(noise) : Buffer.from(noise.map((byte) => byte & 3));
}

function* pairs({ extents }: PackedSegment): Generator<[inputBytes: number, blocks: number]> {
  for (let at = 0; at < extents.length; at += 2) yield [extents[at] ?? 0, extents[at + 1] ?? 0];
}

function unpack(packed: PackedSegment): Buffer {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const [inputBytes, blocks] of pairs(packed)) {
    const area = packed.bytes.subarray(at, at + Math.max(1, blocks) * BLOCK);
    at += area.length;
    const part = new Uint8Array(inputBytes);
    if (blocks === 0) part.set(area.subarray(0, inputBytes));
    else {
      const padding = area.findIndex((byte) => byte !== 0);
      assert.ok(padding < BLOCK);
      assert.is(decompressLz4Block(area.subarray(padding), part), inputBytes);
    }
    parts.push(part);
  }
  assert.is(at, packed.bytes.length);
  return Buffer.concat(parts);
}

test.run();
