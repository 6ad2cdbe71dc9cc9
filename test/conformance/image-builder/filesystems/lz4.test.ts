/** Our LZ4 blocks and legacy frames against the lz4 command. */
import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import { createLz4Compressor } from "../../../../image-builder/filesystems/lz4-compressor.ts";
import {
  decompressLz4Legacy,
  LZ4_LEGACY_BLOCK_BYTES,
  LZ4_LEGACY_MAGIC,
} from "../../../../image-builder/filesystems/lz4-legacy-frame.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("lz4 and the lz4 command", { timeoutMs: 60_000 });
const available = spawnSync("lz4", ["--version"]).error === undefined;

function check(name: string, body: () => Promise<void>): void {
  if (available) test(name, body);
  else test.skip("lz4 not installed", name);
}

function lz4(flags: readonly string[], input: Uint8Array): Buffer {
  const { status, stdout, stderr } = spawnSync("lz4", [...flags, "-c"], {
    input,
    maxBuffer: 256 * 1024 * 1024,
  });
  assert.is(status, 0, `${stderr}`);
  return stdout;
}

/** More than two legacy blocks of real machine code. */
async function sample(): Promise<Buffer> {
  return (await readFile(process.execPath)).subarray(0, 20_000_000);
}

check("reads what lz4 -l writes", async () => {
  const content = await sample();
  for (const level of ["-1", "-9"]) {
    const frame = lz4(["-l", level], content);
    assert.is(Buffer.compare(decompressLz4Legacy(frame), content), 0);
  }
});

check("lz4 -d reads our blocks", async () => {
  const content = await sample();
  const parts = [u32(LZ4_LEGACY_MAGIC)];
  const compressor = createLz4Compressor(4);
  for (let at = 0; at < content.length; at += LZ4_LEGACY_BLOCK_BYTES) {
    const piece = content.subarray(at, at + LZ4_LEGACY_BLOCK_BYTES);
    const target = Buffer.alloc(piece.length + 65_536);
    compressor.load(piece);
    const { producedBytes } = compressor.compress(0, piece.length, target, target.length);
    parts.push(u32(producedBytes), target.subarray(0, producedBytes));
  }
  assert.is(Buffer.compare(lz4(["-d"], Buffer.concat(parts)), content), 0);
});

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

test.run();
