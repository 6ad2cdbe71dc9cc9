/** What unpacked files take of the disk: holes nothing, and never what has to stay free. */
import { stat, statfs } from "node:fs/promises";
import * as zlib from "node:zlib";
import * as assert from "uvu/assert";
import { ContentFile } from "../../../../image-builder/containers/content-file.ts";
import { diskAllowance } from "../../../../image-builder/containers/disk-allowance.ts";
import { unpackContainer } from "../../../../image-builder/containers/unpack.ts";
import { ImageError } from "../../../../image-builder/errors.ts";
import { writeErofs } from "../../../../image-builder/filesystems/erofs-writer.ts";
import { orderTree } from "../../../../image-builder/rootfs/tree.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";
import { archiveOf, layerOf, NO_CONFIG } from "./layer-fixture.ts";

const test = suite("room on the disk");

const MIB = 1024 ** 2;
const UNIT = 64 * 1024;
const storedBytes = async (path: string): Promise<number> => (await stat(path)).blocks * 512;

test("zeros that were packed 1000:1 are stored neither unpacked nor in the image", async () => {
  await using folder = await temporaryFolder();
  const archive = await archiveOf([
    { name: "zeros", text: `a${"\0".repeat(64 * MIB)}z` },
    { name: "after", text: "x" },
  ]);
  const packed = layerOf(zlib.gzipSync(archive), { diffId: layerOf(archive).diffId });
  const { entries } = await unpackContainer(
    { layers: [packed], config: NO_CONFIG },
    { folder: folder.path },
  );
  assert.ok((await storedBytes(folder.file("layer-0"))) < MIB);
  const image = await writeErofs(orderTree(entries), folder.file("image"), {
    compression: "none",
  });
  assert.ok(image.sizeBytes > 64 * MIB);
  assert.is((await stat(folder.file("image"))).size, image.sizeBytes);
  assert.ok((await storedBytes(folder.file("image"))) < 4 * MIB);
});

test("what has to stay free stays free", async () => {
  await using folder = await temporaryFolder();
  const container = {
    layers: [layerOf(await archiveOf([{ name: "f", text: "x" }]))],
    config: NO_CONFIG,
  };
  const reserveBytes = Number.MAX_SAFE_INTEGER;
  const error = await unpackContainer(container, { folder: folder.path, reserveBytes }).then(
    () => undefined,
    (cause: unknown) => cause,
  );
  assert.instance(error, ImageError);
  const { code, message, facts } = error as ImageError;
  assert.is(code, "WL_IMAGE_IO");
  assert.match(
    message,
    /Cannot unpack the image: its files have over 0 MiB, which is what the disk/,
  );
  assert.is(facts.file, folder.path);
  assert.match(facts.next ?? "", /Free space on that disk/);
});

test("half of what is free is for the files where the image goes to the same disk", async () => {
  await using folder = await temporaryFolder();
  const { bavail, bsize } = await statfs(folder.path);
  const { limitBytes } = await diskAllowance({
    ...{ folder: folder.path, storeFolder: folder.path },
    reserveBytes: 0,
  });
  // Others write to the same disk meanwhile.
  assert.ok(Math.abs(limitBytes - (bavail * bsize) / 2) < 2 ** 30, String(limitBytes));
});

test("room is taken in whole units, each once, and none for a hole", async () => {
  await using folder = await temporaryFolder();
  const limitBytes = 3 * UNIT;
  const disk = { leftBytes: limitBytes, limitBytes, folder: folder.path };
  const files = { leftBytes: 2 ** 40 };
  const add = async (name: string, offsets: readonly number[]): Promise<void> => {
    await using file = await ContentFile.create(folder.file(name), { files, disk });
    await file.add({
      ...{ name, sizeBytes: 2 ** 30 },
      async *content() {
        for (const offsetBytes of offsets) yield { offsetBytes, bytes: Buffer.from("x") };
      },
    });
    await file.finish();
  };
  await add("near", [0, 10, UNIT - 1]);
  assert.is(disk.leftBytes, 2 * UNIT);
  await add("far", [UNIT, 2 ** 29]);
  assert.is(disk.leftBytes, 0);
  const refused = await add("more", [7]).then(
    () => undefined,
    (cause: unknown) => cause,
  );
  assert.instance(refused, ImageError);
});

test.run();
