/** A machine description for tests, with everything on it and its files in one folder. */
import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import type { Machine } from "../../host-tools/qemu/machine.ts";
import { pvhKernel } from "./pvh-kernel.ts";
import type { TemporaryFolder } from "./temporary-folder.ts";

/** A machine that boots a kernel. */
export type BootMachine = Machine & { readonly kernel: NonNullable<Machine["kernel"]> };

/** Describes a machine without touching any file. */
export function machineIn(folder: string, changes: Partial<BootMachine> = {}): BootMachine {
  return {
    name: "test",
    uuid: "6f1c8a1e-7d3b-4c55-9c0e-3f2d1b0a9e8d",
    accelerator: "tcg",
    memoryMib: 32,
    vcpuCount: 1,
    kernel: { path: `${folder}/kernel`, commandLine: "console=ttyS0" },
    disks: [],
    network: { kind: "none" },
    consoleLogPath: `${folder}/console.log`,
    ports: [],
    firmwareConfig: [],
    qmpSocketPath: `${folder}/qmp.sock`,
    pidFilePath: `${folder}/pid`,
    ...changes,
  };
}

/** Describes a machine that QEMU can start: its kernel prints a line and then does as told. */
export async function startableMachine(
  folder: TemporaryFolder,
  kernel: Parameters<typeof pvhKernel>[0] = { ending: "halt" },
  changes: Partial<BootMachine> = {},
): Promise<BootMachine> {
  const machine = machineIn(folder.path, { uuid: randomUUID(), ...changes });
  await writeFile(machine.kernel.path, pvhKernel(kernel));
  return machine;
}
