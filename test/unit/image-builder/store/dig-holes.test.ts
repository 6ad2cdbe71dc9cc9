import { randomBytes } from "node:crypto";
import { readFile, stat, writeFile } from "node:fs/promises";
import fc from "fast-check";
import * as assert from "uvu/assert";
import { ImageError } from "../../../../image-builder/errors.ts";
import { digHoles, zeroRuns } from "../../../../image-builder/store/dig-holes.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("digging holes");

const BLOCK = 4096;
/** The file system's own list of where the pieces of the file are. */
const LIST_BYTES = 4 * BLOCK;

/** Blocks of zeros and of others, and less than a block at the end. */
function fileOf(blocks: readonly boolean[], rest: number): Buffer {
  const bytes = Buffer.concat(
    blocks.map((isZero) => (isZero ? Buffer.alloc(BLOCK) : randomBytes(BLOCK))),
  );
  return Buffer.concat([bytes, Buffer.alloc(rest)]);
}

test("whatever the file is, it reads as before, and keeps blocks only for what is not zero", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("file");
  const blocks = fc.array(fc.boolean(), { maxLength: 700, size: "max" });
  await fc.assert(
    fc.asyncProperty(blocks, fc.integer({ min: 0, max: BLOCK - 1 }), async (kinds, rest) => {
      const bytes = fileOf(kinds, rest);
      await writeFile(path, bytes);
      assert.ok(await digHoles(path), "the file system of the temporary folder has holes");
      assert.ok(bytes.equals(await readFile(path)));
      const kept = kinds.filter((isZero) => !isZero).length + (rest > 0 ? 1 : 0);
      const keptBytes = (await stat(path)).blocks * 512;
      assert.ok(keptBytes <= kept * BLOCK + LIST_BYTES, `${keptBytes} for ${kept} blocks`);
      await digHoles(path); // Nothing is left to be dug.
      assert.ok(bytes.equals(await readFile(path)));
    }),
    { numRuns: 50 },
  );
});

test("runs of zeros are whole blocks, as long as they can be", () => {
  const kinds = [true, true, false, true, false, false, true];
  const bytes = fileOf(kinds, 100);
  assert.equal(
    zeroRuns(bytes).map(({ from, to }) => [from / BLOCK, to / BLOCK]),
    [
      [0, 2],
      [3, 4],
      [6, 7],
    ],
  );
  bytes[BLOCK - 1] = 1;
  assert.equal(zeroRuns(bytes)[0], { from: BLOCK, to: 2 * BLOCK });
});

test("a file that is not there is an error with its name", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("nothing");
  const error = await digHoles(path).catch((caught: unknown) => caught);
  assert.instance(error, ImageError);
  assert.is((error as ImageError).code, "WL_IMAGE_IO");
  assert.match((error as ImageError).message, path);
});

test.run();
