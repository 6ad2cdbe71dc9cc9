/**
 * The machine description: everything QEMU needs to know about one virtual machine, as plain data.
 * `qemuArguments` (command-line.ts) turns it into an argument array without looking at the host.
 */

export type Accelerator = "kvm" | "tcg";

export interface MachineDisk {
  /** QEMU node name and device id: letters, digits, "-". */
  readonly id: string;
  readonly path: string;
  readonly format: "raw" | "qcow2";
  readonly readOnly: boolean;
}

export interface PortForward {
  readonly protocol: "tcp" | "udp";
  /** IPv4 address of the host to listen on. */
  readonly hostAddress: string;
  readonly hostPort: number;
  readonly guestPort: number;
}

export type MachineNetwork =
  | { readonly kind: "none" }
  | {
      readonly kind: "user";
      readonly macAddress: string;
      readonly forwards: readonly PortForward[];
    };

/** RAM that is a file, as templates and clones have it. */
export interface MemoryFile {
  readonly path: string;
  /**
   * shared: what the guest writes goes into the file. private: copy-on-write; the file's pages are shared
   * by all machines that map it until they write.
   */
  readonly access: "shared" | "private";
}

/**
 * A virtio-serial port: guest output to a file, or both ways over a Unix socket that QEMU listens on, or over one that
 * it inherits from the program that starts it. That one is connected before there is a guest; a machine has at
 * most one of them.
 */
export type MachinePort =
  | { readonly name: string; readonly logPath: string }
  | { readonly name: string; readonly socketPath: string }
  | { readonly name: string; readonly channel: true };

/** The descriptors that QEMU may inherit, as it knows them. */
export const INHERITED_FD = { lock: 3, state: 4, channel: 5, monitor: 6 };

export interface Machine {
  /** Shown by `ps` on the host and in QEMU's errors. */
  readonly name: string;
  readonly uuid: string;
  readonly accelerator: Accelerator;
  readonly memoryMib: number;
  /** Absent: anonymous memory. */
  readonly memoryFile?: MemoryFile | undefined;
  readonly vcpuCount: number;
  /** Absent on a machine that is loaded from a saved state: its kernel is in its memory. */
  readonly kernel?:
    | {
        readonly path: string;
        readonly initrdPath?: string;
        readonly commandLine: string;
      }
    | undefined;
  readonly disks: readonly MachineDisk[];
  readonly network: MachineNetwork;
  /** File that receives the serial console (ttyS0). */
  readonly consoleLogPath: string;
  readonly ports: readonly MachinePort[];
  /** fw_cfg items, each read from a file. */
  readonly firmwareConfig: readonly { readonly name: string; readonly path: string }[];
  /** Waits for a saved state (QMP migrate-incoming) instead of starting. */
  readonly incoming?: boolean | undefined;
  readonly qmpSocketPath: string;
  readonly pidFilePath: string;
}
