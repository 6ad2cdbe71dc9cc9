/**
 * What every home of a test run would make anew, each in ten seconds of a slow machine: the base of images, the
 * stripped Node, unpacked kernels. Made once, before the files run (make-seed.ts), and copied into each home; a copy
 * is the home's own, and a test may break it.
 */
import { cp } from "node:fs/promises";
import { join } from "node:path";
import type { Folders } from "../../image-builder/store/folders.ts";

/** Names, in the environment of a run's processes, the folder with the seed. */
export const SEED_VARIABLE = "WINDLASS_TEST_SEED";

/** Copies the seed, if there is one, into folders that have nothing: no image, no instance, only what builds keep. */
export async function plantSeed(folders: Folders): Promise<void> {
  const seed = process.env[SEED_VARIABLE];
  if (seed === undefined) return;
  await cp(join(seed, "cache"), folders.cache, { recursive: true });
  await cp(join(seed, "data/blobs"), join(folders.data, "blobs"), { recursive: true });
}
