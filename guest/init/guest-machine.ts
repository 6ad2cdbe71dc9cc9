/** The agent's view of the real machine: guest/agent/guest-system.ts over system calls and /proc. */
import { readFileSync, writeFileSync } from "node:fs";
import type { Credentials, GuestSystem } from "../agent/guest-system.ts";
import { wallClock } from "../syscalls/clock.ts";
import { reseedKernel } from "../syscalls/kernel-random.ts";
import type { NativeLibrary } from "../syscalls/koffi.ts";
import { networkInterfaces } from "../syscalls/network-interface.ts";
import { restartMachine } from "../syscalls/power.ts";
import { pseudoTerminals } from "../syscalls/pseudo-terminal.ts";
import { readKernelLog } from "./kernel-log.ts";
import type { ProgramSupervisor } from "./program-supervisor.ts";

/** How long the program has to end before the machine powers off without it. */
const POWEROFF_STOP_TIMEOUT_MS = 10_000;
const NETWORK_CARD = "eth0";

export interface GuestMachineOptions {
  readonly native: NativeLibrary;
  readonly supervisor: ProgramSupervisor;
  readonly findUser: (user: string) => Credentials;
  /** Before a restart, which no exit of the agent precedes. */
  readonly unmountDisks: () => void;
}

export function guestSystem(options: GuestMachineOptions): GuestSystem {
  const { native, supervisor, findUser, unmountDisks } = options;
  const openPty = pseudoTerminals(native);
  return {
    procRoot: "/proc",
    sysRoot: "/sys",
    hostname: () => readFileSync("/proc/sys/kernel/hostname", "utf8").trim(),
    setHostname: (name) => writeFileSync("/proc/sys/kernel/hostname", name),
    setMacAddress(address) {
      // So that the kernel tells the network at once (Documentation/networking/ip-sysctl.rst).
      writeFileSync(`/proc/sys/net/ipv4/conf/${NETWORK_CARD}/arp_notify`, "1");
      const interfaces = networkInterfaces(native);
      interfaces.setHardwareAddress(NETWORK_CARD, address);
      interfaces.close();
    },
    reseed: (entropy) => reseedKernel(native, entropy),
    advanceClock: (milliseconds) => wallClock(native).advance(milliseconds),
    dmesg: readKernelLog,
    async poweroff() {
      await supervisor.stop({ timeoutMs: POWEROFF_STOP_TIMEOUT_MS });
      process.exit(0);
    },
    async reboot() {
      await supervisor.stop({ timeoutMs: POWEROFF_STOP_TIMEOUT_MS });
      unmountDisks();
      // image-builder/first-process/init.ts says why. A machine without a card restarts all the same.
      try {
        networkInterfaces(native).down(NETWORK_CARD);
      } finally {
        restartMachine(native);
      }
    },
    resolveUser: findUser,
    openPty,
  };
}
