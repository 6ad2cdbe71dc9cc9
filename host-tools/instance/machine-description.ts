/** From an instance to the machine that QEMU is to make: pure. */
import { INSTANCE_DOCUMENT_FW_CFG, JOURNAL_PORT } from "../../guest/api/channel.ts";
import { STARTER_FW_CFG } from "../../guest/api/starter.ts";
import { WAKE_PORT } from "../../guest/api/wake-message.ts";
import type { Accelerator, Machine, MachinePort, PortForward } from "../qemu/machine.ts";
import type { BootMode } from "./boot-plan.ts";
import type { InstanceFiles } from "./instance-files.ts";
import type { InstanceRecord } from "./instance-record.ts";
import { kernelCommandLine } from "./kernel-command-line.ts";

/** Virtio-serial numbers its ports in the order of the description. */
export const WAKE_PORT_NR = 2;

export interface MachineParts {
  readonly record: InstanceRecord;
  readonly files: InstanceFiles;
  readonly accelerator: Accelerator;
  readonly kernelPath: string;
  readonly firstStagePath: string;
  readonly isDebianKernel: boolean;
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
            commandLine: kernelCommandLine({
              ...{ accelerator, vcpuCount },
              isDebian: parts.isDebianKernel,
            }),
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
    ports: [{ name: JOURNAL_PORT, logPath: files.journal }, wakePort(files, mode)],
    firmwareConfig: [
      { name: INSTANCE_DOCUMENT_FW_CFG, path: files.document },
      { name: STARTER_FW_CFG, path: files.starter },
    ],
    qmpSocketPath: files.qmpSocket,
    pidFilePath: files.pid,
  };
}

/**
 * A machine is saved as a template while somebody is at the other end of its wake port. To QEMU a port whose
 * socket is connected before the guest runs is such a port, and one that is connected later is news, which
 * the guest would have to be told.
 */
function wakePort({ wakeSocket }: InstanceFiles, { kind, memoryFile }: BootMode): MachinePort {
  const isTemplates = kind === "load" && memoryFile !== undefined;
  return isTemplates
    ? { name: WAKE_PORT, channel: true }
    : { name: WAKE_PORT, socketPath: wakeSocket };
}

/** A UUID of version 8 (RFC 9562, 5.8: custom) that shows the id. */
export function uuidOf(id: string): string {
  return `00000000-0000-8000-8000-${id}`;
}
