import { mkdir, readdir, writeFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import { finishRemovals, removeFolder } from "../../../../host-tools/instance/remove-folder.ts";
import { lockFile } from "../../../../image-builder/store/file-lock.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("removing a folder");

test("whoever takes a lock in it at the same time makes nothing anew", async () => {
  await using parent = await temporaryFolder();
  for (let round = 0; round < 20; round++) {
    const folder = parent.file("thing");
    await mkdir(`${folder}/sub`, { recursive: true });
    await writeFile(`${folder}/sub/file`, "x");
    let isRemoved = false;
    const taking = Array.from({ length: 4 }, async () => {
      while (!isRemoved) {
        // Waits for the others, finds that the file is gone, and opens it anew; or the folder is gone.
        const lock = await lockFile(`${folder}/a.lock`, { shared: true }).catch(() => undefined);
        await lock?.close();
      }
    });
    await removeFolder(folder);
    isRemoved = true;
    await Promise.all(taking);
    assert.equal(await readdir(parent.path), [], `round ${round}`);
  }
});

test("what is gone already stays gone", async () => {
  await using parent = await temporaryFolder();
  await removeFolder(parent.file("nothing"));
  assert.equal(await readdir(parent.path), []);
});

test("a removal that was killed half-way is finished, by the next removal or by clearing up", async () => {
  await using parent = await temporaryFolder();
  const leave = async (): Promise<void> => {
    await mkdir(parent.file("thing.removed/sub"), { recursive: true });
    await writeFile(parent.file("thing.removed/sub/file"), "x");
  };
  await mkdir(parent.file("other"));
  await leave();
  await removeFolder(parent.file("thing"));
  assert.equal(await readdir(parent.path), ["other"]);
  await leave();
  await finishRemovals(parent.path);
  assert.equal(await readdir(parent.path), ["other"]);
  await finishRemovals(parent.file("nothing"));
});

test.run();
