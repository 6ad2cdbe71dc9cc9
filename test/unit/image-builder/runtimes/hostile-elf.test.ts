/** Executables made to hurt whoever reads them: through everything that a build does with a program. */
import { writeFile } from "node:fs/promises";
import * as fc from "fast-check";
import * as assert from "uvu/assert";
import { ImageError } from "../../../../image-builder/errors.ts";
import { executableManifest } from "../../../../image-builder/manifest/executable-manifest.ts";
import type { Manifest } from "../../../../image-builder/manifest/manifest.ts";
import { orderTree } from "../../../../image-builder/rootfs/tree.ts";
import { closureEntries } from "../../../../image-builder/runtimes/closure-entries.ts";
import { readElf } from "../../../../image-builder/runtimes/elf.ts";
import { libraryClosure } from "../../../../image-builder/runtimes/library-closure.ts";
import { nativeRuntime } from "../../../../image-builder/runtimes/native-runtime.ts";
import { suite } from "../../../support/suite.ts";
import { type TemporaryFolder, temporaryFolder } from "../../../support/temporary-folder.ts";
import { buildElf, dlopenNote } from "./elf-fixture.ts";

const test = suite("hostile executables");

async function build(folder: TemporaryFolder, bytes: Uint8Array): Promise<ImageError | undefined> {
  const file = folder.file("program");
  await writeFile(file, bytes, { mode: 0o755 });
  const manifest: Manifest = executableManifest(file);
  const request = { root: folder.path, manifest, cacheDirectory: folder.path, signal: undefined };
  const outcome: unknown = await nativeRuntime.collect(request).then(
    async ({ entries, nativeAddons }) => {
      orderTree([...entries, ...closureEntries(await libraryClosure(nativeAddons))]);
    },
    (error: unknown) => error,
  );
  if (outcome !== undefined) assert.instance(outcome, ImageError);
  return outcome as ImageError | undefined;
}

const PROGRAM = {
  type: 2,
  interpreter: "/lib64/ld-linux-x86-64.so.2",
  needed: ["libc.so.6"],
  runpath: "$ORIGIN/../lib",
  soname: "program",
  versionsNeeded: [{ library: "libc.so.6", versions: ["GLIBC_2.2.5"] }],
} as const;

test("a build ends in an image or a typed error, whatever the program's bytes", async () => {
  await using folder = await temporaryFolder();
  const original = buildElf(PROGRAM);
  assert.is(await build(folder, original), undefined, "unchanged it is fine");
  const edit = fc.record({
    at: fc.nat({ max: original.length - 1 }),
    value: fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat({ max: 255 })),
  });
  const edits = fc.array(edit, { minLength: 1, maxLength: 6 });
  const length = fc.oneof(fc.constant(original.length), fc.nat({ max: original.length }));
  await fc.assert(
    fc.asyncProperty(edits, length, async (changes, end) => {
      const bytes = Buffer.from(original);
      for (const { at, value } of changes) bytes[at] = value;
      await build(folder, bytes.subarray(0, end));
    }),
    { numRuns: 150 },
  );
});

test("paths that are not normal are what they lead to", async () => {
  await using folder = await temporaryFolder();
  const interpreter = "//lib64/.././lib64/ld-linux-x86-64.so.2";
  const needed = ["/lib/x86_64-linux-gnu/../x86_64-linux-gnu/libc.so.6"];
  assert.is(await build(folder, buildElf({ type: 2, interpreter, needed })), undefined);
});

test("what is no program is refused in words", async () => {
  await using folder = await temporaryFolder();
  const foreign = buildElf({ ...PROGRAM, machine: 183 });
  const cases: [Uint8Array, string][] = [
    [Buffer.alloc(0), "it is empty"],
    [Buffer.from("text"), "it is not an ELF file"],
    [Buffer.from("MZ"), "it is a Windows executable"],
    [foreign, "it is a 64-bit ARM64 executable"],
    [buildElf({ ...PROGRAM, type: 1 }), "relocatable"],
    [buildElf({ ...PROGRAM, interpreter: "/lib/no-such-linker.so.1" }), "/lib/no-such-linker.so.1"],
    [buildElf({ ...PROGRAM, needed: ["libno-such-library.so.3"] }), "libno-such-library.so.3"],
  ];
  for (const [bytes, words] of cases) {
    const error = await build(folder, bytes);
    assert.is(error?.code, "WL_IMAGE_BINARY_INVALID", words);
    assert.match(error?.message ?? "", words);
  }
});

test("a program for a newer C library is refused with both versions", async () => {
  await using folder = await temporaryFolder();
  const versionsNeeded = [{ library: "libc.so.6", versions: ["GLIBC_2.2.5", "GLIBC_9.38"] }];
  const error = await build(folder, buildElf({ ...PROGRAM, versionsNeeded }));
  assert.match(
    error?.message ?? "",
    /needs GLIBC_9\.38 of libc\.so\.6, and the image ships .*, which has up to GLIBC_2\.\d+/,
  );
});

test("names times folders are bounded", async () => {
  await using folder = await temporaryFolder();
  const runpath = Array.from({ length: 2000 }, (_, index) => `/none/${index}`).join(":");
  const wanted = Array.from({ length: 12 }, (_, index) => `libnone-${index}.so`);
  // Libraries that it can do without: nothing ends the search at the first that is missing.
  const notes = dlopenNote(JSON.stringify(wanted.map((soname) => ({ soname }))));
  const program = folder.file("program");
  await writeFile(program, buildElf({ type: 2, runpath, notes }));
  const error: unknown = await libraryClosure([program]).catch((cause: unknown) => cause);
  assert.instance(error, ImageError);
  assert.match((error as ImageError).message, "too many places");
});

test("the same notes shown a thousand times are read a few times", async () => {
  const notes = dlopenNote(`[{"soname":["${"n".repeat(100_000)}", "liba.so"]}]`);
  const bytes = buildElf({ notes, noteSegments: 1000 });
  const { dlopens } = await readElf(bytes, "x");
  assert.equal(
    dlopens.map(({ sonames }) => sonames),
    [["liba.so"], ["liba.so"]],
  );
});

test.run();
