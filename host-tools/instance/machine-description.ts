/** From an instance to the machine that QEMU is to make: pure. */
import { INSTANCE_DOCUMENT_FW_CFG, JOURNAL_PORT } from "../../guest/api/channel.ts";
import type { Accelerator, Machine, PortForward } from "../qemu/machine.ts";
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
}

export function machineDescription(parts: MachineParts): Machine {
  const { record, files, accelerator } = parts;
  const { memoryMib, vcpuCount, scratch } = record.options;
  return {
    name: record.name,
    uuid: uuidOf(record.id),
    accelerator,
    memoryMib,
    vcpuCount,
    kernel: {
      path: parts.kernelPath,
      initrdPath: parts.firstStagePath,
      commandLine: kernelCommandLine(accelerator),
    },
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
    ports: [{ name: JOURNAL_PORT, logPath: files.journal }],
    firmwareConfig: [{ name: INSTANCE_DOCUMENT_FW_CFG, path: files.document }],
    qmpSocketPath: files.qmpSocket,
    pidFilePath: files.pid,
  };
}

/** A UUID of version 8 (RFC 9562, 5.8: custom) that shows the id. */
export function uuidOf(id: string): string {
  return `00000000-0000-8000-8000-${id}`;
}
