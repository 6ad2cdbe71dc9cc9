/**
 * Removing a folder in which somebody may make a file at any moment: whoever waits for a lock opens its
 * file anew when it is gone, and makes it (file-lock.ts). So the folder gets another name first: from
 * then on nobody finds it, and what it stood for is gone at once, whatever becomes of us.
 */
import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";

const SUFFIX = ".removed";

/** Idempotent. */
export async function removeFolder(folder: string): Promise<void> {
  const aside = `${folder}${SUFFIX}`;
  await rename(folder, aside).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
  await rm(aside, { recursive: true, force: true });
}

/** Removes what is left of folders whose removal was killed half-way. @param parent where they were */
export async function finishRemovals(parent: string): Promise<void> {
  const names = await readdir(parent).catch(() => []);
  for (const name of names.filter((one) => one.endsWith(SUFFIX))) {
    await rm(join(parent, name), { recursive: true, force: true });
  }
}
