/** The real QEMU of this machine for one test. Machines are always emulated. */
import { findQemu, type QemuBinary } from "../../host-tools/qemu/binary.ts";
import type { Machine } from "../../host-tools/qemu/machine.ts";
import { type QemuProcess, type QemuStart, startQemu } from "../../host-tools/qemu/process.ts";
import { stopQemu } from "../../host-tools/qemu/stop-ladder.ts";
import { type TemporaryFolder, temporaryFolder } from "./temporary-folder.ts";

export interface QemuRig extends AsyncDisposable {
  readonly binary: QemuBinary;
  readonly folder: TemporaryFolder;
  /** Starts a machine, which is ended with the rig. */
  start(machine: Machine, changes?: Partial<QemuStart>): Promise<QemuProcess>;
}

/** Why tests with QEMU cannot run on this machine; undefined when they can. */
export async function qemuMissing(): Promise<string | undefined> {
  return findQemu().then(
    () => undefined,
    (error: Error) => error.message,
  );
}

export async function qemuRig(signal: AbortSignal): Promise<QemuRig> {
  const binary = await findQemu({ signal });
  const folder = await temporaryFolder();
  const started: QemuProcess[] = [];
  return {
    binary,
    folder,
    async start(machine, changes = {}) {
      const stderrLogPath = folder.file("stderr.log");
      const qemu = await startQemu(machine, { binary, stderrLogPath, signal, ...changes });
      started.push(qemu);
      return qemu;
    },
    async [Symbol.asyncDispose]() {
      for (const qemu of started) {
        await qemu.qmp.close();
        await stopQemu({ process: qemu }, { terminateTimeoutMs: 0 });
      }
      await folder[Symbol.asyncDispose]();
    },
  };
}
