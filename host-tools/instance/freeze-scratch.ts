/** Freezing the scratch disk of a machine that is stopped. */
import { rm } from "node:fs/promises";
import { checkOverlay } from "../../image-builder/disks/overlay-file.ts";
import { HostError } from "../errors.ts";
import type { QmpConnection } from "../qmp/connection.ts";
import type { InstanceFiles } from "./instance-files.ts";
import { addLayer, pointAt, scratchLayers, topLayer } from "./scratch-layers.ts";

/** QEMU's name of the disk that the guest sees; the layers that come later add to it. */
const NODE = "scratch";

/**
 * Puts a fresh layer on top of the disk; what is below does not change any more. It is the disk of the
 * machine and of its next start before QEMU writes to it: whenever this is interrupted, that layer is
 * empty, or has what QEMU wrote.
 *
 * @returns the frozen layers, the top one first
 * @throws {ImageError} WL_IMAGE_STORE, WL_IMAGE_IO; {HostError} WL_QMP_COMMAND_FAILED; the machine can go on
 */
export async function freezeScratch(
  qmp: QmpConnection,
  { scratch }: Pick<InstanceFiles, "scratch">,
): Promise<readonly string[]> {
  const frozen = await topLayer(scratch);
  const layers = await scratchLayers(frozen);
  const { sizeBytes } = await checkOverlay(frozen);
  const fresh = await addLayer(frozen, sizeBytes);
  await pointAt(scratch, fresh);
  try {
    await switchTo(qmp, fresh);
  } catch (error) {
    // When QEMU said no, it goes on with the old one. When it said nothing it may have the fresh one by
    // now, which is right for the next start in either case.
    if (error instanceof HostError && error.code === "WL_QMP_COMMAND_FAILED") {
      await pointAt(scratch, frozen);
      await rm(fresh, { force: true });
    }
    throw error;
  }
  return layers;
}

async function switchTo(qmp: QmpConnection, layer: string): Promise<void> {
  const node = await activeNode(qmp);
  const overlay = `${NODE}-${/([0-9a-f]+)\.qcow2$/.exec(layer)?.[1]}`;
  const access = { "read-only": false, "auto-read-only": false, discard: "unmap" } as const;
  const file = `${overlay}-file`;
  await qmp.execute("blockdev-add", {
    ...access,
    driver: "file",
    "node-name": file,
    filename: layer,
  });
  try {
    await qmp.execute("blockdev-add", {
      ...access,
      driver: "qcow2",
      "node-name": overlay,
      file,
      backing: null, // QEMU has it open: it is the node that the overlay is put on.
    });
  } catch (error) {
    await qmp.execute("blockdev-del", { "node-name": file }).catch(() => undefined);
    throw error;
  }
  try {
    await qmp.execute("blockdev-snapshot", { node, overlay });
  } catch (error) {
    await qmp.execute("blockdev-del", { "node-name": overlay }).catch(() => undefined);
    await qmp.execute("blockdev-del", { "node-name": file }).catch(() => undefined);
    throw error;
  }
}

async function activeNode(qmp: QmpConnection): Promise<string> {
  const names = (await qmp.execute("query-block")).map(({ inserted }) => inserted?.["node-name"]);
  const name = names.find((one) => one === NODE || one?.startsWith(`${NODE}-`));
  if (name !== undefined) return name;
  throw new HostError("WL_QEMU_FAILED", "Cannot freeze the scratch disk: the machine has none", {
    next: "Restart the instance",
  });
}
