/** QEMU's last words, turned into an error that says what to do. Pure. */
import { HostError, type HostErrorCode } from "../errors.ts";

/** How many of QEMU's last lines an error carries. */
export const QEMU_LAST_LINES = 20;

interface Explanation {
  readonly code: HostErrorCode;
  /** Searched in QEMU's output; its first group, if any, is quoted. */
  readonly pattern: RegExp;
  readonly message: (found: string) => string;
  readonly next: string;
}

/** Texts of QEMU 7.2; the conformance tests provoke those that can be provoked. */
const explanations: readonly Explanation[] = [
  {
    code: "WL_PORT_UNAVAILABLE",
    pattern: /Could not set up host forwarding rule '([^']*)'/,
    message: (rule) => `Cannot publish a port: QEMU could not set up "${rule}"`,
    next: "Choose another host port, or stop what uses this one (ss -tulpn shows it)",
  },
  {
    code: "WL_ACCELERATOR_UNAVAILABLE",
    pattern:
      /(Could not access KVM kernel module: .*|failed to initialize kvm: .*|invalid accelerator .*)/i,
    message: (words) => `Cannot use KVM: ${words}`,
    next: "Use --accelerator tcg, or add yourself to the group that owns /dev/kvm",
  },
  {
    code: "WL_QEMU_FAILED",
    pattern: /Failed to get (?:shared )?"(\w+)" lock/,
    message: (lock) => `Cannot open a disk: another machine holds its "${lock}" lock`,
    next: "Stop the machine that uses this disk",
  },
  {
    code: "WL_QEMU_FAILED",
    pattern: /(cannot set up guest memory .*|Cannot allocate memory)/,
    message: () => "Cannot start QEMU: the host has not enough free memory",
    next: "Ask for less memory, or stop another machine",
  },
  {
    code: "WL_QEMU_FAILED",
    pattern:
      /(invalid kernel header|could not load kernel '.*|linux kernel too old to load a ram disk)/,
    message: (words) => `Cannot start the kernel: ${words}`,
    next: "Use a bzImage, or an ELF kernel with a PVH entry",
  },
  {
    code: "WL_QEMU_UNAVAILABLE",
    pattern: /(-sandbox support is not enabled|failed to install seccomp syscall filter.*)/,
    message: (words) => `Cannot use this QEMU: ${words}`,
    next: "Use a QEMU that was built with seccomp; Debian's is",
  },
];

export interface QemuExit {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** "exit status 1" or "signal SIGKILL". */
export function describeExit({ exitCode, signal }: QemuExit): string {
  return signal === null ? `exit status ${exitCode}` : `signal ${signal}`;
}

/** The error for a QEMU that ended before its monitor answered. */
export function explainQemuFailure(stderr: string, exit: QemuExit): HostError {
  const lastLines = stderr
    .split("\n")
    .map((line) => line.trimEnd())
    .filter((line) => line !== "")
    .slice(-QEMU_LAST_LINES);
  const detail = { stderr: lastLines.join("\n"), ...exit };
  for (const { code, pattern, message, next } of explanations) {
    const found = pattern.exec(detail.stderr);
    if (found) return new HostError(code, message(found[1] ?? ""), { next, detail });
  }
  const words =
    lastLines.length === 0
      ? ": it said nothing"
      : `; its last words:\n${lastLines.map((line) => `  ${line}`).join("\n")}`;
  return new HostError(
    "WL_QEMU_FAILED",
    `QEMU ended with ${describeExit(exit)} before the machine ran${words}`,
    {
      next: nextStep(lastLines, exit),
      detail,
    },
  );
}

function nextStep(lastLines: readonly string[], { signal }: QemuExit): string {
  if (signal === "SIGKILL")
    return "Try again; dmesg tells whether the kernel killed it to free memory";
  // A full disk is not told in a log that is on it.
  const check = lastLines.length === 0 ? "Check that the disk is not full; check" : "Check";
  return `${check} this QEMU with "windlass doctor"`;
}
