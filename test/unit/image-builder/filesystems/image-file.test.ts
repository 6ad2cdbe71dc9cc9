/** Image files: zeros are holes, wherever they are, and bytes all the same. */
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import * as assert from "uvu/assert";
import { ImageFile } from "../../../../image-builder/filesystems/image-file.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("image files");

const MIB = 1024 ** 2;

test("zeros at the start, in the middle and at the end are holes; the file is as long as with them", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("image");
  await using file = await ImageFile.create(path);
  const pieces = [
    Buffer.alloc(4096),
    Buffer.alloc(5 * MIB),
    Buffer.from("text"),
    Buffer.alloc(3 * MIB - 4100),
  ];
  for (const piece of pieces) await file.append(piece);
  await file.rewrite(MIB, Buffer.from("later"));
  await file.append(Buffer.alloc(2 * MIB));
  const { sizeBytes } = file;
  const digest = await file.commit();
  const expected = Buffer.alloc(sizeBytes);
  expected.write("later", MIB);
  expected.write("text", 4096 + 5 * MIB);
  assert.is(sizeBytes, 10 * MIB);
  assert.ok((await readFile(path)).equals(expected));
  assert.is(digest, createHash("sha256").update(expected).digest("hex"));
  assert.ok((await stat(path)).blocks * 512 < MIB);
});

test.run();
