/** Where an instance's files are. Pure. */
import { join } from "node:path";
import type { Folders } from "../../image-builder/store/folders.ts";

export interface InstanceFiles {
  readonly folder: string;
  readonly record: string;
  /** Instance document for the guest (fw_cfg). */
  readonly document: string;
  /** Serial console. */
  readonly console: string;
  readonly journal: string;
  /** QEMU's own words. */
  readonly qemuLog: string;
  readonly pid: string;
  /** Held by whoever changes the instance. */
  readonly changeLock: string;
  /** Held by QEMU as long as it lives. */
  readonly aliveLock: string;
  /** In the runtime folder: a Unix socket's path is short. */
  readonly qmpSocket: string;
}

export function instanceFiles(folders: Folders, id: string): InstanceFiles {
  const folder = join(folders.data, "instances", id);
  return {
    folder,
    record: join(folder, "instance.json"),
    document: join(folder, "document.json"),
    console: join(folder, "console.log"),
    journal: join(folder, "journal.jsonl"),
    qemuLog: join(folder, "qemu.log"),
    pid: join(folder, "qemu.pid"),
    changeLock: join(folder, "change.lock"),
    aliveLock: join(folder, "alive.lock"),
    qmpSocket: join(folders.runtime, `${id}.qmp`),
  };
}
