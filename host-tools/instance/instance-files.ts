/** Where an instance's files are. Pure. */
import { join } from "node:path";
import type { Folders } from "../../image-builder/store/folders.ts";

export interface InstanceFiles {
  readonly folder: string;
  readonly record: string;
  /** Instance document for the guest (fw_cfg). */
  readonly document: string;
  /** What the guest's process 1 starts by itself (fw_cfg). */
  readonly starter: string;
  /** Serial console. */
  readonly console: string;
  readonly journal: string;
  /** There if the machine was suspended (suspension.ts). */
  readonly suspension: string;
  /** qcow2; there if the instance has a scratch disk and was started. */
  readonly scratch: string;
  /** QEMU's own words. */
  readonly qemuLog: string;
  readonly pid: string;
  /** Held by whoever changes the instance. */
  readonly changeLock: string;
  /** Held by QEMU as long as it lives. */
  readonly aliveLock: string;
  /** In the runtime folder: a Unix socket's path is short. */
  readonly qmpSocket: string;
  /** Where QEMU sends a machine's state while it is saved. */
  readonly stateSocket: string;
  /** The wake port (wake.ts). */
  readonly wakeSocket: string;
}

export function instanceFiles(folders: Folders, id: string): InstanceFiles {
  return instanceFilesIn(join(folders.data, "instances", id), folders.runtime, id);
}

/** Of a machine that is kept in another folder, such as a template that is being made. */
export function instanceFilesIn(folder: string, runtime: string, id: string): InstanceFiles {
  return {
    folder,
    record: join(folder, "instance.json"),
    document: join(folder, "document.json"),
    starter: join(folder, "starter"),
    console: join(folder, "console.log"),
    journal: join(folder, "journal.jsonl"),
    suspension: join(folder, "suspension.json"),
    scratch: join(folder, "scratch.qcow2"),
    qemuLog: join(folder, "qemu.log"),
    pid: join(folder, "qemu.pid"),
    changeLock: join(folder, "change.lock"),
    aliveLock: join(folder, "alive.lock"),
    qmpSocket: join(runtime, `${id}.qmp`),
    stateSocket: join(runtime, `${id}.state`),
    wakeSocket: join(runtime, `${id}.wake`),
  };
}
