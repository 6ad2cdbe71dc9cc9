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
 * What Debian's kernel sets up and a guest has no use for: hibernation, same-page merging, measuring and
 * signing of files and modules (ours are of the image, which is content-addressed), AppArmor's files, the
 * arbiter of graphics cards, pulse-per-second clocks, NetLabel, power capping. Only such whose callers find out
 * that they are not there: dquot_init and blacklist_init are not among them, because a quota or a signed module
 * would then use a null pointer. A kernel that has no function of such a name passes it over.
 */
const UNUSED_INITCALLS = [
  ...["snapshot_device_init", "ksm_init", "init_ima", "init_evm", "init_encrypted"],
  ...["load_system_certificate_list", "crypto_kdf108_init", "aa_create_aafs"],
  ...["vga_arb_device_init", "pps_init", "netlbl_init", "powercap_init"],
];

/**
 * What pays under emulation, measured in DECISIONS.md: no self-tests; no mitigations and no single-CPU patching, because patching the
 * kernel throws translated code away and protects nothing on an emulated CPU; no clearing of every page
 * at allocation, which fresh memory does not need; a clock that is not calibrated for a second; no accounts
 * of memory per group, of which there is one; the same addresses in every process, so that code of shared
 * libraries is translated once. The last one states the frequency of QEMU's local APIC timer (hw/i386/apic: a
 * tick is a nanosecond) to a kernel that "windlass kernel build" made, which then does not measure it for 0.2 s; another one ignores it.
 */
const EMULATED = [
  "cryptomgr.notests",
  // emulated-kernel.ts counts on it.
  "mitigations=off",
  "noreplace-smp",
  "init_on_alloc=0",
  "tsc=reliable",
  "no_timer_check",
  "cgroup_disable=memory",
  "norandmaps",
  `initcall_blacklist=${UNUSED_INITCALLS.join(",")}`,
  "lapic_timer_hz=1000000000",
  "deferred_probe_timeout=0",
];

/**
 * The same, for a machine with one CPU: interrupt routing without interpreting ACPI's tables for every device. The kernel
 * finds no local APIC then, and so no other CPU.
 */
const EMULATED_ALONE = ["acpi=noirq"];

/**
 * The same, for kernels that have what these words are about; ours has not, and would say so: a watchdog for the
 * CPU, whose timer went off in clones, and security modules without a policy.
 */
const EMULATED_DEBIAN = ["nowatchdog", "lsm=landlock,yama"];

export interface KernelUse {
  readonly accelerator: Accelerator;
  /** A kernel of Debian's, not one of our own or a file that somebody named. */
  readonly isDebian: boolean;
  readonly vcpuCount: number;
}

export function kernelCommandLine({ accelerator, isDebian, vcpuCount }: KernelUse): string {
  if (accelerator !== "tcg") return ALWAYS.join(" ");
  const alone = vcpuCount === 1 ? EMULATED_ALONE : [];
  return [...ALWAYS, ...alone, ...EMULATED, ...(isDebian ? EMULATED_DEBIAN : [])].join(" ");
}
