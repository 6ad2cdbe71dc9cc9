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
 * tables for every device; no self-tests; no mitigations and no single-CPU patching, because patching the
 * kernel throws translated code away and protects nothing on an emulated CPU; no clearing of every page
 * at allocation, which fresh memory does not need; a clock that is not calibrated for a second. The last
 * one states the frequency of QEMU's local APIC timer (hw/i386/apic: a tick is a nanosecond) to a kernel that
 * "windlass kernel build" made, which then does not measure it for 0.2 s; another one ignores it.
 */
const EMULATED = [
  "acpi=noirq",
  "cryptomgr.notests",
  "mitigations=off",
  "noreplace-smp",
  "init_on_alloc=0",
  "tsc=reliable",
  "no_timer_check",
  "lapic_timer_hz=1000000000",
];

export function kernelCommandLine(accelerator: Accelerator): string {
  return [...ALWAYS, ...(accelerator === "tcg" ? EMULATED : [])].join(" ");
}
