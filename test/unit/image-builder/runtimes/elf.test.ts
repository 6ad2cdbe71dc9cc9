import * as fc from "fast-check";
import * as assert from "uvu/assert";
import { ImageError } from "../../../../image-builder/errors.ts";
import { type Elf, readElf } from "../../../../image-builder/runtimes/elf.ts";
import { suite } from "../../../support/suite.ts";
import { buildElf } from "./elf-fixture.ts";

const test = suite("elf");

const LIBRARY = {
  interpreter: "/lib64/ld-linux-x86-64.so.2",
  soname: "libone.so.1",
  needed: ["libtwo.so.2", "libthree.so"],
  rpath: "/opt/old",
  runpath: "$ORIGIN/../lib:/opt/new",
  isPie: true,
  versionsNeeded: [
    { library: "libtwo.so.2", versions: ["TWO_1.0", "TWO_2.0"] },
    { library: "libthree.so", versions: ["THREE"] },
  ],
  versionsDefined: ["ONE_1", "ONE_2"],
} as const;

/** What reading ends in; anything but an ImageError fails the test. */
async function refusal(bytes: Uint8Array): Promise<ImageError> {
  const outcome: unknown = await readElf(bytes, "addon.node").catch((error: unknown) => error);
  if (!(outcome instanceof ImageError)) throw new Error("not refused", { cause: outcome });
  return outcome;
}

test("reads what a library asks for and provides", async () => {
  const elf = await readElf(buildElf(LIBRARY), "libone.so.1");
  assert.equal(elf, {
    type: "shared",
    interpreter: LIBRARY.interpreter,
    soname: LIBRARY.soname,
    needed: [...LIBRARY.needed],
    rpath: ["/opt/old"],
    runpath: ["$ORIGIN/../lib", "/opt/new"],
    isPie: true,
    avoidsDefaults: false,
    dlopens: [],
    versionsNeeded: LIBRARY.versionsNeeded.map((need) => ({
      ...need,
      versions: [...need.versions],
    })),
    versionsDefined: [...LIBRARY.versionsDefined],
  } satisfies Elf);
});

test("keeps absent apart from empty: an empty DT_RUNPATH still silences DT_RPATH", async () => {
  const elf = await readElf(buildElf({ runpath: "" }), "x");
  assert.equal(elf.runpath, [""]);
  assert.is(elf.rpath, undefined);
  assert.is(elf.soname, undefined);
});

test("names foreign files in words", async () => {
  const change = (edit: (bytes: Buffer) => void) => {
    const bytes = buildElf();
    edit(bytes);
    return bytes;
  };
  const cases: [Uint8Array, string][] = [
    [change((bytes) => bytes.writeUInt16LE(183, 18)), "a 64-bit ARM64 shared library"],
    [
      change((bytes) => {
        bytes[4] = 1;
        bytes.writeUInt16LE(40, 18);
        bytes.writeUInt16LE(2, 16);
      }),
      "a 32-bit ARM executable",
    ],
    [change((bytes) => bytes.writeUInt8(1, 4)), "a 32-bit x86-64 shared library"],
    [change((bytes) => bytes.writeUInt8(9, 7)), "a 64-bit FreeBSD x86-64 shared library"],
    [
      change((bytes) => {
        bytes[5] = 2;
        bytes.writeUInt16BE(22, 18);
        bytes.writeUInt16BE(3, 16);
      }),
      "a 64-bit big-endian s390 shared library",
    ],
    [Buffer.from("cffaedfe07000001", "hex"), "a macOS file"],
    [Buffer.from("MZ\x90"), "a Windows executable"],
    [Buffer.from("#!/bin/sh\n"), "a script"],
    [Buffer.from("version https://git-lfs.github.com/spec/v1\n"), "a Git LFS pointer"],
    [Buffer.from("hello"), "not an ELF file"],
    [Buffer.alloc(0), "empty"],
  ];
  for (const [bytes, words] of cases) {
    const error = await refusal(bytes);
    assert.is(error.code, "WL_IMAGE_BINARY_INVALID");
    assert.is(error.facts.file, "addon.node");
    assert.match(error.message, `"addon.node": it is ${words}`);
    assert.match(error.message, "the guest runs x86-64 Linux");
  }
});

test("refuses a file cut off anywhere", async () => {
  const bytes = buildElf(LIBRARY);
  for (let length = 0; length < bytes.length; length += 1) {
    assert.is((await refusal(bytes.subarray(0, length))).code, "WL_IMAGE_BINARY_INVALID");
  }
});

test("refuses counts that would need unbounded work", async () => {
  const manySegments = buildElf();
  manySegments.writeUInt16LE(0xffff, 56);
  assert.match((await refusal(manySegments)).message, "65535 program headers");

  const hugeDynamic = buildElf();
  hugeDynamic.writeBigUInt64LE(1n << 40n, 64 + 56 + 32);
  assert.match((await refusal(hugeDynamic)).message, "dynamic section is too large");

  const manyVersions = buildElf({ versionsDefined: Array.from({ length: 5000 }, () => "V") });
  assert.match((await refusal(manyVersions)).message, "too many symbol versions");

  const longNames = buildElf({ needed: Array.from({ length: 20 }, () => "n".repeat(60_000)) });
  assert.match((await refusal(longNames)).message, "names are too long");
});

test("never ends in anything but a result or a typed error, whatever the bytes", async () => {
  const original = buildElf(LIBRARY);
  const interesting = fc.constantFrom(0, 1, 2, 0x7f, 0x80, 0xff);
  const edit = fc.record({
    at: fc.nat({ max: original.length - 1 }),
    value: fc.oneof(interesting, fc.nat({ max: 255 })),
  });
  const mutation = fc.record({
    edits: fc.array(edit, { minLength: 1, maxLength: 8 }),
    length: fc.oneof(fc.constant(original.length), fc.nat({ max: original.length })),
  });
  await fc.assert(
    fc.asyncProperty(mutation, async ({ edits, length }) => {
      const bytes = Buffer.from(original);
      for (const { at, value } of edits) bytes[at] = value;
      const outcome: unknown = await readElf(bytes.subarray(0, length), "x").catch(
        (e: unknown) => e,
      );
      if (outcome instanceof Error) assert.instance(outcome, ImageError);
    }),
    { numRuns: 3000 },
  );
});

test("a 64-bit field set to any value is refused or read within bounds", async () => {
  const original = buildElf(LIBRARY);
  const value = fc.oneof(
    fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    fc.constantFrom((1n << 64n) - 1n, 1n << 63n, (1n << 53n) + 1n, BigInt(original.length)),
  );
  const field = fc.nat({ max: Math.floor(original.length / 8) - 1 });
  await fc.assert(
    fc.asyncProperty(field, value, async (index, number) => {
      const bytes = Buffer.from(original);
      bytes.writeBigUInt64LE(number, index * 8);
      const outcome: unknown = await readElf(bytes, "x").catch((e: unknown) => e);
      if (outcome instanceof Error) assert.instance(outcome, ImageError);
    }),
    { numRuns: 2000 },
  );
});

test.run();
