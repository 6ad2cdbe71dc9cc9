/** What commands that were killed half-way left of instances: folders without a record, and half-removed ones. */
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { lockFile, tryLockFile } from "../../image-builder/store/file-lock.ts";
import type { InstanceStore } from "./instance-store.ts";
import { finishRemovals } from "./remove-folder.ts";

/**
 * Removes the folders of instances that were never recorded, and what is left of removed ones. One whose
 * QEMU runs is left alone: it holds the lock of its folder.
 *
 * @returns the ids, in order
 * @throws {ImageError} WL_IMAGE_IO
 */
export async function removeLeftovers(store: InstanceStore): Promise<string[]> {
  const folder = join(store.folders.data, "instances");
  const present = await readdir(folder).catch(() => undefined);
  if (present === undefined) return [];
  await finishRemovals(folder);
  // A folder is made, and gets its record, under this lock.
  await using _creating = await lockFile(join(folder, ".create.lock"));
  const removed: string[] = [];
  for (const id of present.filter((name) => /^[0-9a-f]{12}$/.test(name)).sort()) {
    const files = store.files(id);
    if (await isThere(files.record)) continue;
    const alive = await tryLockFile(files.aliveLock).catch(() => undefined);
    if (!alive) continue;
    await using _alive = alive;
    await store.remove(id);
    removed.push(id);
  }
  return removed;
}

/** Also true when it cannot be told: then nothing may be removed. */
function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== "ENOENT",
  );
}
