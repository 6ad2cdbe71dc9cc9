import * as fc from "fast-check";
import * as assert from "uvu/assert";
import { parseLdCache } from "../../../../image-builder/runtimes/ld-cache.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("ld-cache");

interface Entry {
  readonly flags: number;
  readonly name: string;
  readonly path: string;
  readonly processors?: bigint;
}

const X86_64 = 0x0303;

function buildCache(entries: readonly Entry[]): Buffer {
  const table = Buffer.alloc(48 + entries.length * 24);
  table.write("glibc-ld.so.cache1.1", "latin1");
  table.writeUInt32LE(entries.length, 20);
  table.writeUInt8(2, 28);
  let strings = Buffer.alloc(0);
  const add = (text: string) => {
    const offset = table.length + strings.length;
    strings = Buffer.concat([strings, Buffer.from(`${text}\0`)]);
    return offset;
  };
  entries.forEach(({ flags, name, path, processors }, index) => {
    const at = 48 + index * 24;
    table.writeUInt32LE(flags, at);
    table.writeUInt32LE(add(name), at + 4);
    table.writeUInt32LE(add(path), at + 8);
    table.writeBigUInt64LE(processors ?? 0n, at + 16);
  });
  table.writeUInt32LE(strings.length, 24);
  return Buffer.concat([table, strings]);
}

const ENTRIES: readonly Entry[] = [
  { flags: X86_64, name: "libz.so.1", path: "/lib/hwcaps/libz.so.1", processors: 1n << 62n },
  { flags: X86_64, name: "libz.so.1", path: "/lib/x86_64-linux-gnu/libz.so.1" },
  { flags: X86_64, name: "libz.so.1", path: "/opt/second/libz.so.1" },
  { flags: 0x0803, name: "libx32.so", path: "/libx32/libx32.so" },
  { flags: 3, name: "lib386.so", path: "/lib/i386-linux-gnu/lib386.so" },
];

test("takes x86-64 entries for any processor, the first of a name", () => {
  const cache = parseLdCache(buildCache(ENTRIES));
  assert.equal([...(cache ?? [])], [["libz.so.1", "/lib/x86_64-linux-gnu/libz.so.1"]]);
});

test("reads the new format behind an old one, as glibc up to 2.31 wrote it", () => {
  const old = Buffer.alloc(16 + 12 * 3 + 4);
  old.write("ld.so-1.7.0", "latin1");
  old.writeUInt32LE(3, 12);
  const cache = parseLdCache(Buffer.concat([old, buildCache(ENTRIES)]));
  assert.is(cache?.get("libz.so.1"), "/lib/x86_64-linux-gnu/libz.so.1");
});

test("does without a cache that is no usable one", () => {
  const bigEndian = buildCache(ENTRIES);
  bigEndian.writeUInt8(3, 28);
  const tooMany = buildCache(ENTRIES);
  tooMany.writeUInt32LE(0xffffffff, 20);
  const wildString = buildCache(ENTRIES);
  wildString.writeUInt32LE(0xfffffff0, 48 + 24 + 4);
  for (const bytes of [Buffer.alloc(0), Buffer.from("x"), bigEndian, tooMany, wildString]) {
    assert.is(parseLdCache(bytes), undefined);
  }
});

test("never throws, whatever the bytes", async () => {
  const original = buildCache(ENTRIES);
  const at = fc.nat({ max: original.length - 1 });
  await fc.assert(
    fc.asyncProperty(
      at,
      fc.nat({ max: 255 }),
      fc.nat({ max: original.length }),
      async (index, byte, length) => {
        const bytes = Buffer.from(original);
        bytes[index] = byte;
        parseLdCache(bytes.subarray(0, length));
      },
    ),
    { numRuns: 2000 },
  );
});

test.run();
