/**
 * A passive look at this host's KVM: reads files, never opens /dev/kvm. Neither the device file nor
 * ioctls that succeed prove anything: a host that is itself a paravirtual guest (kvm_pvm) offers both
 * and then hangs every ordinary guest kernel. So the look gives one of three verdicts, and only a
 * probe guest (accelerator-probe.ts) can turn "probe" into a yes.
 */
import { constants } from "node:fs";
import { access, readFile, stat } from "node:fs/promises";

export interface AcceleratorFacts {
  /** /dev/kvm exists. */
  readonly device: boolean;
  /** This user may read and write it. */
  readonly deviceAccess: boolean;
  /** /sys/module/kvm_pvm: KVM without hardware virtualisation, for kernels made for it. */
  readonly kvmPvm: boolean;
  /** /sys/module/kvm_intel or /sys/module/kvm_amd. */
  readonly hardwareModule: "kvm_intel" | "kvm_amd" | undefined;
  /** Among the flags of /proc/cpuinfo: "vmx" (Intel) or "svm" (AMD). */
  readonly cpuFlag: "vmx" | "svm" | undefined;
}

export interface AcceleratorVerdict {
  /** "probe": only a guest can tell. */
  readonly usable: "yes" | "probe" | "no";
  /** Half a sentence that follows "KVM: ". */
  readonly reason: string;
  /** What would make KVM usable; undefined when nothing is wrong or nothing helps. */
  readonly next: string | undefined;
}

/** The verdict on KVM. Pure. */
export function judgeAccelerator(facts: AcceleratorFacts): AcceleratorVerdict {
  const { device, deviceAccess, kvmPvm, hardwareModule, cpuFlag } = facts;
  if (!device) {
    return {
      usable: "no",
      reason: "/dev/kvm does not exist",
      next:
        cpuFlag === undefined
          ? "Turn on virtualisation in the firmware, or nested virtualisation in the hypervisor"
          : "Load the kernel module: modprobe kvm_intel or modprobe kvm_amd",
    };
  }
  if (!deviceAccess) {
    return {
      usable: "no",
      reason: "/dev/kvm may not be opened by this user",
      next: "Add the user to the group that owns it: usermod -aG kvm USER, then log in again",
    };
  }
  if (kvmPvm && cpuFlag === undefined) {
    return {
      usable: "no",
      reason: "/dev/kvm is a PVM device, which hangs ordinary guest kernels",
      next: "Use a host with nested virtualisation, or bare metal",
    };
  }
  if (cpuFlag === undefined) {
    return {
      usable: "probe",
      reason: "/dev/kvm exists, but the CPU shows neither vmx nor svm",
      next: "Turn on nested virtualisation in the hypervisor",
    };
  }
  if (kvmPvm || hardwareModule === undefined) {
    return {
      usable: "probe",
      reason: kvmPvm
        ? "the kvm_pvm module is loaded beside hardware virtualisation"
        : "/dev/kvm exists, but neither kvm_intel nor kvm_amd is loaded",
      next: "Load kvm_intel or kvm_amd alone",
    };
  }
  return { usable: "yes", reason: `${hardwareModule} with ${cpuFlag}`, next: undefined };
}

/**
 * Looks at the host.
 *
 * @param root the folder that stands for "/"; another one in tests
 */
export async function readAcceleratorFacts(root = "/"): Promise<AcceleratorFacts> {
  const at = (path: string): string => `${root.replace(/\/$/, "")}${path}`;
  const [device, deviceAccess, kvmPvm, kvmIntel, kvmAmd, cpuinfo] = await Promise.all([
    succeeds(stat(at("/dev/kvm"))),
    succeeds(access(at("/dev/kvm"), constants.R_OK | constants.W_OK)),
    succeeds(stat(at("/sys/module/kvm_pvm"))),
    succeeds(stat(at("/sys/module/kvm_intel"))),
    succeeds(stat(at("/sys/module/kvm_amd"))),
    readFile(at("/proc/cpuinfo"), "utf8").catch(() => ""),
  ]);
  const flags = new Set(/^flags\s*:(.*)$/m.exec(cpuinfo)?.[1]?.split(/\s+/));
  return {
    device,
    deviceAccess,
    kvmPvm,
    hardwareModule: kvmIntel ? "kvm_intel" : kvmAmd ? "kvm_amd" : undefined,
    cpuFlag: flags.has("vmx") ? "vmx" : flags.has("svm") ? "svm" : undefined,
  };
}

function succeeds(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  );
}
