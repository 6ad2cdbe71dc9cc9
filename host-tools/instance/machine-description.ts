/** From an instance to the machine that QEMU is to make: pure. */
import { INSTANCE_DOCUMENT_FW_CFG, JOURNAL_PORT } from "../../guest/api/channel.ts";
import { STARTER_FW_CFG } from "../../guest/api/starter.ts";
import { WAKE_PORT } from "../../guest/api/wake-message.ts";
import type { Accelerator, Machine, PortForward } from "../qemu/machine.ts";
import type { BootMode } from "./boot-plan.ts";
import type { InstanceFiles } from "./instance-files.ts";
import type { InstanceRecord } from "./instance-record.ts";
import { kernelCommandLine } from "./kernel-command-line.ts";

export interface MachineParts {
  readonly record: InstanceRecord;
  readonly files: InstanceFiles;
  readonly accelerator: Accelerator;
  readonly kernelPath: string;
  readonly firstStagePath: string;
  readonly basePath: string;
  readonly rootPath: string;
  readonly forwards: readonly PortForward[];
  readonly mode: BootMode;
}

export function machineDescription(parts: MachineParts): Machine {
  const { record, files, accelerator, mode } = parts;
  const { memoryMib, vcpuCount, scratch } = record.options;
  return {
    name: record.name,
    uuid: uuidOf(record.id),
    accelerator,
    memoryMib,
    memoryFile: mode.memoryFile,
    vcpuCount,
    // A loaded machine has its kernel in memory; QEMU would keep a copy of it for nothing.
    kernel:
      mode.kind === "load"
        ? undefined
        : {
            path: parts.kernelPath,
            initrdPath: parts.firstStagePath,
            commandLine: kernelCommandLine(accelerator),
          },
    incoming: mode.kind === "load",
    // The order is the guest's device order: vda, vdb, vdc.
    disks: [
      { id: "base", path: parts.basePath, format: "raw", readOnly: true },
      { id: "program", path: parts.rootPath, format: "raw", readOnly: true },
      ...(scratch
        ? [{ id: "scratch", path: files.scratch, format: "qcow2", readOnly: false } as const]
        : []),
    ],
    network: { kind: "user", macAddress: record.macAddress, forwards: parts.forwards },
    consoleLogPath: files.console,
    ports: [
      { name: JOURNAL_PORT, logPath: files.journal },
      { name: WAKE_PORT, socketPath: files.wakeSocket },
    ],
    firmwareConfig: [
      { name: INSTANCE_DOCUMENT_FW_CFG, path: files.document },
      { name: STARTER_FW_CFG, path: files.starter },
    ],
    qmpSocketPath: files.qmpSocket,
    pidFilePath: files.pid,
  };
}

/** A UUID of version 8 (RFC 9562, 5.8: custom) that shows the id. */
export function uuidOf(id: string): string {
  return `00000000-0000-8000-8000-${id}`;
}
