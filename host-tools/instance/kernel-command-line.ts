/** The kernel command line of a machine. Pure. Never holds a secret: everybody in the guest reads it. */
import type { Accelerator } from "../qemu/machine.ts";

/** Documentation/admin-guide/kernel-parameters.txt */
const ALWAYS = [
  "console=ttyS0",
  "quiet",
  // A panic ends the machine at once: with QEMU's -no-reboot, restarting is ending.
  "panic=-1",
  "random.trust_cpu=on",
];

/**
 * What pays under emulation, measured in DECISIONS.md: interrupt routing without interpreting ACPI's
 * tables for every device, no self-tests, and no mitigations, whose patching of the kernel throws
 * translated code away and which protect nothing on an emulated CPU.
 */
const EMULATED = ["acpi=noirq", "cryptomgr.notests", "mitigations=off", "noreplace-smp"];

export function kernelCommandLine(accelerator: Accelerator): string {
  return [...ALWAYS, ...(accelerator === "tcg" ? EMULATED : [])].join(" ");
}
