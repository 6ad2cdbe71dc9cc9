/** /hardware, from /proc/cpuinfo and the firmware's tables in sysfs. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Agent, Operations } from "./operation.ts";
import { Procfs } from "./procfs.ts";

export function hardwareOperations({ system }: Agent): Operations<"hardware"> {
  const procfs = new Procfs(system.procRoot);
  const cpuFlags = (): string =>
    /^flags\s*: (.*)$/m.exec(procfs.text("cpuinfo"))?.[1]?.trim() ?? "";
  const dmi = (name: string): string => {
    try {
      return readFileSync(join(system.sysRoot, "class/dmi/id", name), "utf8").trim();
    } catch {
      return "";
    }
  };
  return {
    hardwareProcessorFlags: cpuFlags,
    hardwareProcessorCount: () => procfs.text("cpuinfo").match(/^processor\s*:/gm)?.length ?? 1,
    // A machine without firmware, such as microvm, has no vendor to name.
    hardwareFirmwareVendor: () => dmi("bios_vendor"),
    hardwareHypervisor: () => {
      const detected = /Hypervisor detected: (.+)$/m.exec(system.dmesg())?.[1]?.trim();
      if (detected) return detected;
      return cpuFlags().split(" ").includes("hypervisor") ? dmi("sys_vendor") || "unknown" : "none";
    },
  };
}
