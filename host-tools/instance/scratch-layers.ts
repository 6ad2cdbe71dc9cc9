/**
 * The layers of a scratch disk. What a machine writes goes into the top one; freezing puts a fresh one on
 * top, and what is below never changes again, so that others can stand on it too: by hard links, because
 * then no removal hurts anybody. Layers have names of their own for ever (`scratch-HEX.qcow2`) and name
 * each other without a folder: the links of one disk are a whole disk wherever they are together.
 * `scratch.qcow2` is a symbolic link to the top layer.
 */
import { randomBytes } from "node:crypto";
import { link, readlink, rename, rm, symlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { checkOverlay, createOverlay } from "../../image-builder/disks/overlay-file.ts";
import { withIoError } from "../../image-builder/runtimes/io-error.ts";
import { pathBeside } from "../../image-builder/store/replace-file.ts";

/** A disk with more would need a file of this program damaged in a circle. */
const LAYERS_MAX = 10_000;

/**
 * All layers of a disk, the top one first, without the empty disk that the last one stands on.
 *
 * @param path of the disk, or of a layer
 * @throws {ImageError} WL_IMAGE_STORE when one is missing or damaged, WL_IMAGE_IO
 */
export async function scratchLayers(path: string): Promise<string[]> {
  const folder = dirname(path);
  const layers: string[] = [];
  let next = join(folder, await layerName(path));
  while (layers.length < LAYERS_MAX) {
    layers.push(next);
    const { backingPath } = await checkOverlay(next);
    if (backingPath === undefined || backingPath.includes("/")) break;
    next = join(folder, backingPath);
  }
  return layers;
}

/**
 * The file of the top layer, as QEMU is to open it: by a name that will not become another file's. A disk
 * that is a file of its own is made a layer.
 *
 * @throws {ImageError} WL_IMAGE_IO
 */
export async function topLayer(path: string): Promise<string> {
  const name = await layerName(path);
  if (name !== basename(path)) return join(dirname(path), name);
  const layer = newLayerPath(dirname(path));
  await withIoError("write", layer, link(path, layer));
  await pointAt(path, layer);
  return layer;
}

/**
 * Makes a layer on top of another in the same folder. The disk does not have it yet: see `pointAt`.
 *
 * @throws {ImageError} WL_IMAGE_IO
 */
export async function addLayer(below: string, sizeBytes: number): Promise<string> {
  const layer = newLayerPath(dirname(below));
  await createOverlay(layer, { backing: { path: basename(below), format: "qcow2" }, sizeBytes });
  return layer;
}

/** From now on, that layer is the top of the disk. */
export async function pointAt(path: string, layer: string): Promise<void> {
  const beside = pathBeside(path);
  const write = async (): Promise<void> => {
    await symlink(basename(layer), beside);
    await rename(beside, path);
  };
  try {
    await withIoError("write", path, write());
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}

/**
 * Gives a folder layers that are frozen, and a fresh one on top.
 *
 * @param layers the top one first
 * @param disk the path of the disk that is made
 * @throws {ImageError} WL_IMAGE_IO; what was made stays
 */
export async function standOn(layers: readonly string[], disk: string): Promise<void> {
  const folder = dirname(disk);
  await linkLayers(layers, folder);
  const [top = ""] = layers;
  const { sizeBytes } = await checkOverlay(top);
  await pointAt(disk, await addLayer(join(folder, basename(top)), sizeBytes));
}

/** @throws {ImageError} WL_IMAGE_IO */
export async function linkLayers(layers: readonly string[], folder: string): Promise<void> {
  for (const layer of layers) {
    const target = join(folder, basename(layer));
    await withIoError("write", target, link(layer, target));
  }
}

/** Removes a disk with its layers from their folder; others that have links to them keep them. */
export async function removeLayers(disk: string): Promise<void> {
  const layers = await scratchLayers(disk).catch(() => []);
  for (const path of [disk, ...layers]) await rm(path, { force: true });
}

function newLayerPath(folder: string): string {
  return join(folder, `scratch-${randomBytes(6).toString("hex")}.qcow2`);
}

/** Where the link leads; the file's own name when it is none. */
async function layerName(path: string): Promise<string> {
  return await readlink(path).catch(() => basename(path));
}
