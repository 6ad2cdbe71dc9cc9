/** What prune takes from the downloads of the cache. */
import { mkdir, readdir, writeFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import { removePartialDownloads } from "../../../../image-builder/registry/partial-downloads.ts";
import { lockFile } from "../../../../image-builder/store/file-lock.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("partial downloads");

test("those that nobody writes are removed and counted; whole blobs stay", async () => {
  await using folder = await temporaryFolder();
  const blobs = folder.file("registry/blobs/sha256");
  await mkdir(blobs, { recursive: true });
  const content = Buffer.alloc(1024 * 1024, "x");
  for (const name of ["whole", "left.partial", "busy.partial"]) {
    await writeFile(`${blobs}/${name}`, content);
  }
  const writer = await lockFile(`${blobs}/busy.partial`);
  const freedBytes = await removePartialDownloads(folder.path);
  assert.ok(freedBytes >= content.length, String(freedBytes));
  assert.ok(freedBytes < 2 * content.length, String(freedBytes));
  assert.equal((await readdir(blobs)).sort(), ["busy.partial", "whole"]);
  await writer.close();
  assert.ok((await removePartialDownloads(folder.path)) >= content.length);
  assert.equal(await readdir(blobs), ["whole"]);
});

test("a cache without downloads has none", async () => {
  await using folder = await temporaryFolder();
  assert.is(await removePartialDownloads(folder.path), 0);
  assert.equal(await readdir(folder.path), []);
});

test.run();
