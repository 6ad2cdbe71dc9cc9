/** virtio-serial ports by name: drivers/char/virtio_console.c shows it in sysfs. */
import { openSync, readdirSync, readFileSync } from "node:fs";

/** @returns the descriptor; undefined on a machine that has no such port */
export function openVirtioPort(wanted: string, flags: "r" | "w"): number | undefined {
  const folder = "/sys/class/virtio-ports";
  let ports: string[];
  try {
    ports = readdirSync(folder);
  } catch {
    return undefined;
  }
  const port = ports.find(
    (name) => readFileSync(`${folder}/${name}/name`, "utf8").trim() === wanted,
  );
  return port === undefined ? undefined : openSync(`/dev/${port}`, flags);
}
