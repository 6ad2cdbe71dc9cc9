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

export interface Machine {
  /** Shown by `ps` on the host and in QEMU's errors. */
  readonly name: string;
  readonly uuid: string;
  readonly accelerator: Accelerator;
  readonly memoryMib: number;
  readonly vcpuCount: number;
  readonly kernel: {
    readonly path: string;
    readonly initrdPath?: string;
    readonly commandLine: string;
  };
  readonly disks: readonly MachineDisk[];
  readonly network: MachineNetwork;
  /** File that receives the serial console (ttyS0). */
  readonly consoleLogPath: string;
  /** virtio-serial ports whose guest output goes to a file. */
  readonly ports: readonly { readonly name: string; readonly logPath: string }[];
  /** fw_cfg items, each read from a file. */
  readonly firmwareConfig: readonly { readonly name: string; readonly path: string }[];
  readonly qmpSocketPath: string;
  readonly pidFilePath: string;
}
