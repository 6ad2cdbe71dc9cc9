/**
 * The file of an instance's scratch disk: an overlay over an empty file system, made before the first
 * start. From then on it is the instance's only copy of what the program kept, and is never made again.
 */
import { stat } from "node:fs/promises";
import { emptyDisk } from "../../image-builder/disks/empty-disk.ts";
import { checkOverlay, createOverlay } from "../../image-builder/disks/overlay-file.ts";
import { HostError } from "../errors.ts";
import type { InstanceRecord } from "./instance-record.ts";
import { scratchLayers } from "./scratch-layers.ts";

interface ScratchPlace {
  /** The disk's file (InstanceFiles.scratch). */
  readonly path: string;
  /** Folders.data: where the empty disks are. */
  readonly dataFolder: string;
}

const BYTES_PER_MIB = 1024 * 1024;

/**
 * Makes the disk of an instance that never ran, unless it was given one already (a clone's stands on its
 * template's); looks at the disk of one that did. The caller holds the change lock, and the machine does
 * not run.
 *
 * @throws {ImageError} WL_IMAGE_STORE when it is missing or damaged, WL_IMAGE_IO; {HostError} WL_HOST_IO
 *   when the disk it stands on is missing
 */
export async function prepareScratch(
  record: InstanceRecord,
  { path, dataFolder }: ScratchPlace,
): Promise<void> {
  const { scratch } = record.options;
  if (!scratch) return;
  const sizeBytes = scratch.sizeMib * BYTES_PER_MIB;
  if (!record.launch && !(await exists(path))) {
    const backing = { path: await emptyDisk(dataFolder, scratch.sizeMib), format: "raw" } as const;
    await createOverlay(path, { backing, sizeBytes });
    return;
  }
  const [bottom = path] = (await scratchLayers(path)).reverse();
  const { backingPath } = await checkOverlay(bottom);
  if (backingPath === undefined || (await exists(backingPath))) return;
  // An empty disk can be made again, if this version of Windlass makes the same one.
  if ((await emptyDisk(dataFolder, scratch.sizeMib)) === backingPath) return;
  throw new HostError(
    "WL_HOST_IO",
    `Cannot use the scratch disk of "${record.name}": "${backingPath}", which it stands on, is missing`,
    { next: "Put that file back; folders that hold scratch disks cannot be moved" },
  );
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
