import * as fc from "fast-check";
import * as assert from "uvu/assert";
import { readElf } from "../../../../image-builder/runtimes/elf.ts";
import { stripElf } from "../../../../image-builder/runtimes/elf-strip.ts";
import { suite } from "../../../support/suite.ts";
import { buildElf } from "./elf-fixture.ts";

const test = suite("elf-strip");

const PARTS = { needed: ["libc.so.6"], soname: "libone.so.1" };

test("drops what is not loaded and the section headers, and nothing else", async () => {
  const loaded = buildElf(PARTS);
  const stripped = stripElf(buildElf({ ...PARTS, unloaded: Buffer.from("symbols") }));
  assert.is(Buffer.compare(stripped, loaded), 0);
  assert.equal((await readElf(stripped, "x")).needed, ["libc.so.6"]);
});

test("leaves its input alone, and stripping twice changes nothing more", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), async (unloaded) => {
      const original = buildElf({ ...PARTS, unloaded });
      const before = Buffer.from(original);
      const once = stripElf(original);
      assert.ok(original.equals(before));
      assert.is(stripElf(once), once);
      assert.is(Buffer.compare(stripElf(before), once), 0);
    }),
  );
});

test("leaves a file whole that carries more than its headers describe", () => {
  const appended = Buffer.concat([
    buildElf({ ...PARTS, unloaded: Buffer.from("symbols") }),
    Buffer.from("payload of a self-extracting program"),
  ]);
  assert.is(stripElf(appended), appended);
});

test("leaves an object file whole: it has no segments", () => {
  const object = buildElf({ type: 1, unloaded: Buffer.from("relocations") });
  object.writeUInt16LE(0, 56);
  assert.is(stripElf(object), object);
});

test("leaves a file whole whose section headers lie outside it", () => {
  const broken = buildElf({ ...PARTS, unloaded: Buffer.from("symbols") });
  broken.writeBigUInt64LE(1n << 62n, 40);
  assert.is(stripElf(broken), broken);
});

test("refuses a file for another machine", () => {
  assert.throws(() => stripElf(buildElf({ machine: 183 }), "a.node"), /ARM64/);
});

test.run();
