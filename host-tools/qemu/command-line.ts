/**
 * A machine description as QEMU's argument array. Pure: looks at nothing but its argument, so what is
 * tested here is what runs. test/conformance/qemu-command-line.test.ts holds it against the real QEMU.
 *
 * The machine type is `pc` (i440fx): under emulation it starts Linux faster than q35 and microvm do.
 * Exactly the devices of the description are present, and in their order, because the guest sees PCI
 * addresses and disk letters follow it.
 */
import { isIPv4 } from "node:net";
import { UNIX_SOCKET_PATH_LIMIT_BYTES } from "../qmp/connection.ts";
import {
  INHERITED_FD,
  type Machine,
  type MachineDisk,
  type MachinePort,
  type PortForward,
} from "./machine.ts";
import {
  checkedInteger,
  checkedPath,
  checkedText,
  checkedUnique,
  checkedWord,
  optionString,
  refused,
} from "./option.ts";

/** QEMU's seccomp filter: no obsolete calls, no new privileges, no new programs, no scheduler games. */
const SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";

/** Node names have at most 31 characters (block.c); ours add "-file". */
const DISK_ID = /^[A-Za-z][A-Za-z0-9-]{0,25}$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** Unicast: the lowest bit of the first byte is clear. */
const UNICAST_MAC = /^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/i;
/** fw_cfg file names have at most 55 bytes (FW_CFG_MAX_FILE_PATH); users' ones begin with "opt/". */
const FIRMWARE_ITEM = /^opt\/[A-Za-z0-9._/-]{1,51}$/;
const VIRTIO_PORT = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** Kernel command lines longer than this are cut by Linux (COMMAND_LINE_SIZE, x86). */
const KERNEL_COMMAND_LINE_LIMIT_BYTES = 2047;
/** virtio-serial has 31 ports; number 0 is kept for consoles. */
const VIRTIO_PORT_LIMIT = 30;
/** What QEMU's pc machine type takes. */
const VCPU_LIMIT = 255;
const MEMORY_LIMIT_MIB = 1024 * 1024;

/** Ids of the backends and devices; `query-chardev`, `query-block` and events name them. */
export const CONSOLE_CHARDEV_ID = "console";
export const QMP_CHARDEV_ID = "qmp";
/** Of the virtio-serial port with that number, if it is a socket; the first one is 1. */
export const portSocketId = (nr: number): string => `port${nr}-socket`;

/**
 * @throws {HostError} WL_QEMU_FAILED for a description that QEMU would misread or refuse
 */
export function qemuArguments(machine: Machine): string[] {
  checkedUnique(
    "disk id",
    machine.disks.flatMap(({ id }) => [id, fileNode(id)]),
  );
  checkedUnique(
    "virtio-serial port name",
    machine.ports.map(({ name }) => name),
  );
  checkedUnique(
    "fw_cfg item name",
    machine.firmwareConfig.map(({ name }) => name),
  );
  return [
    ...base(machine),
    ...memoryFile(machine),
    ...(machine.kernel ? kernel(machine.kernel) : []),
    ...machine.disks.flatMap(disk),
    ...network(machine),
    ...serialConsole(machine.consoleLogPath),
    ...virtioPorts(machine.ports),
    ...machine.firmwareConfig.flatMap(firmwareItem),
    ...entropy(),
    ...(machine.incoming ? ["-incoming", "defer"] : []),
    ...monitor(machine.qmpSocketPath),
    ...["-pidfile", checkedPath("process id file", machine.pidFilePath)],
  ];
}

/**
 * i440fx without what no guest of ours uses: HPET, VMware's port. The keyboard controller stays: a
 * kernel that panics restarts through it, and hangs without (seen under KVM).
 */
const MACHINE = {
  type: "pc",
  "dump-guest-core": "off",
  vmport: "off",
  hpet: "off",
};

/**
 * Emulated: everything that QEMU can, but for what makes code longer and page walks deeper. SMAP alone ends a
 * translated block at each access of the kernel to a program's memory. They guard a kernel against its own
 * programs; a guest has one program, which usually is root.
 */
const EMULATED_CPU = "max,-smap,-smep,-la57,-pku";

/**
 * Emulated CPUs take turns in one thread. In threads of their own, QEMU translates instructions a byte at a time
 * while another CPU changes them, and then runs a mix of old and new: HotSpot patches running code, and died of it in
 * every third run of a Java program (DECISIONS 54).
 */
const EMULATED_CPUS = optionString({ accel: "tcg", thread: "single" });

function base(machine: Machine): string[] {
  const { accelerator } = machine;
  return [
    ...["-name", optionString({ guest: checkedText("machine name", machine.name) })],
    ...["-uuid", checkedWord("machine UUID", machine.uuid, UUID)],
    ...["-nodefaults", "-no-user-config", "-no-reboot"],
    ...["-display", "none"],
    ...["-sandbox", SANDBOX],
    ...[
      "-machine",
      optionString(machine.memoryFile ? { ...MACHINE, "memory-backend": RAM_ID } : MACHINE),
    ],
    ...["-accel", accelerator === "tcg" && machine.vcpuCount > 1 ? EMULATED_CPUS : accelerator],
    ...["-cpu", accelerator === "kvm" ? "host" : EMULATED_CPU],
    ...["-m", `${checkedInteger("memory size in MiB", machine.memoryMib, 1, MEMORY_LIMIT_MIB)}M`],
    ...["-smp", `${checkedInteger("vCPU count", machine.vcpuCount, 1, VCPU_LIMIT)}`],
  ];
}

/** The name that RAM has on a `pc` machine without a backend: a state saved from one fits the other. */
const RAM_ID = "pc.ram";

function memoryFile({ memoryFile: file, memoryMib }: Machine): string[] {
  if (!file) return [];
  const backend = {
    "qom-type": "memory-backend-file",
    id: RAM_ID,
    "x-use-canonical-path-for-ramblock-id": "off",
    size: `${memoryMib}M`,
    "mem-path": checkedPath("memory file", file.path),
    share: file.access === "shared" ? "on" : "off",
  };
  return ["-object", optionString(backend)];
}

function kernel({ path, initrdPath, commandLine }: NonNullable<Machine["kernel"]>): string[] {
  const lineBytes = Buffer.byteLength(commandLine);
  if (lineBytes > KERNEL_COMMAND_LINE_LIMIT_BYTES) {
    const why = `it has ${lineBytes} bytes, Linux reads ${KERNEL_COMMAND_LINE_LIMIT_BYTES}`;
    throw refused("kernel command line", commandLine, why);
  }
  return [
    ...["-kernel", checkedPath("kernel", path)],
    ...(initrdPath === undefined ? [] : ["-initrd", checkedPath("initial RAM disk", initrdPath)]),
    ...(commandLine === "" ? [] : ["-append", checkedText("kernel command line", commandLine)]),
  ];
}

function fileNode(id: string): string {
  return `${id}-file`;
}

/**
 * Two nodes and a device: the file, the format on top of it, the disk the guest sees. A backing file is
 * named in the image, and opened by QEMU itself. What the guest discards, the host gets back.
 */
function disk({ id, path, format, readOnly }: MachineDisk): string[] {
  const nodeName = checkedWord("disk id", id, DISK_ID);
  const filename = checkedPath("disk image", path);
  const access = { "read-only": readOnly ? "on" : "off", "auto-read-only": "off" };
  const node = readOnly ? access : { ...access, discard: "unmap" };
  const file = { driver: "file", "node-name": fileNode(nodeName), filename, ...node };
  const image = { driver: format, "node-name": nodeName, file: fileNode(nodeName), ...node };
  const device = {
    driver: "virtio-blk-pci",
    id: `${nodeName}-device`,
    drive: nodeName,
    // By default QEMU would stop the machine when the host's disk is full, and nobody would know why.
    werror: readOnly ? undefined : "report",
  };
  return [
    ...["-blockdev", optionString(file)],
    ...["-blockdev", optionString(image)],
    ...["-device", optionString(device)],
  ];
}

function network({ network: description }: Machine): string[] {
  if (description.kind === "none") return [];
  const mac = checkedWord("MAC address", description.macAddress, UNICAST_MAC);
  // Router advertisements would be the first thing that a clone has to handle.
  const netdev = {
    type: "user",
    id: "net0",
    ipv6: "off",
    hostfwd: description.forwards.map(hostForward),
  };
  // An empty romfile: no network boot, so no option ROM to load.
  // Nor an announcement after a machine was loaded: slirp asks, and answering costs a clone milliseconds.
  const nic = {
    driver: "virtio-net-pci",
    id: "nic0",
    netdev: "net0",
    mac,
    romfile: "",
    guest_announce: "off",
  };
  return ["-netdev", optionString(netdev), "-device", optionString(nic)];
}

function hostForward({ protocol, hostAddress, hostPort, guestPort }: PortForward): string {
  if (!isIPv4(hostAddress)) throw refused("host address", hostAddress, "it is no IPv4 address");
  const from = checkedInteger("host port", hostPort, 1, 65_535);
  const to = checkedInteger("guest port", guestPort, 1, 65_535);
  return `${protocol}:${hostAddress}:${from}-:${to}`;
}

function serialConsole(logPath: string): string[] {
  return [
    ...["-chardev", fileChardev(CONSOLE_CHARDEV_ID, checkedPath("console log", logPath))],
    ...["-serial", `chardev:${CONSOLE_CHARDEV_ID}`],
  ];
}

/** Appends: a restarted machine continues its log, and a log can be cut without leaving a hole. */
function fileChardev(id: string, path: string): string {
  return optionString({ backend: "file", id, path, append: "on" });
}

function virtioPorts(ports: Machine["ports"]): string[] {
  if (ports.length === 0) return [];
  checkedInteger("number of virtio-serial ports", ports.length, 1, VIRTIO_PORT_LIMIT);
  checkedInteger("number of ports that are the channel", channelCount(ports), 0, 1);
  const controller = {
    driver: "virtio-serial-pci",
    id: "virtio-serial0",
    max_ports: ports.length + 1,
    // With it QEMU looks at every queue of a machine that was loaded, and interrupts its guest for each.
    ioeventfd: "off",
  };
  return [
    ...["-device", optionString(controller)],
    ...ports.flatMap((port, index) => {
      const name = checkedWord("virtio-serial port name", port.name, VIRTIO_PORT);
      const nr = index + 1;
      const id = `port${nr}`;
      const chardev = "logPath" in port ? `${id}-log` : portSocketId(nr);
      return [
        ...["-chardev", portChardev(chardev, port)],
        ...["-device", optionString({ driver: "virtserialport", id, nr, chardev, name })],
      ];
    }),
  ];
}

function channelCount(ports: readonly MachinePort[]): number {
  return ports.filter((port) => "channel" in port).length;
}

/** Whether whoever starts this machine keeps one end of a pair of sockets. */
export function hasChannel({ ports }: Machine): boolean {
  return channelCount(ports) > 0;
}

function portChardev(id: string, port: MachinePort): string {
  if ("logPath" in port) return fileChardev(id, checkedPath("port log", port.logPath));
  if ("socketPath" in port) {
    return socketChardev(id, checkedSocketPath("port socket", port.socketPath));
  }
  return optionString({ backend: "socket", id, fd: INHERITED_FD.channel, server: "off" });
}

function firmwareItem({ name, path }: { readonly name: string; readonly path: string }): string[] {
  const item = {
    name: checkedWord("fw_cfg item name", name, FIRMWARE_ITEM),
    file: checkedPath("fw_cfg file", path),
  };
  return ["-fw_cfg", optionString(item)];
}

function entropy(): string[] {
  const source = { "qom-type": "rng-random", id: "entropy", filename: "/dev/urandom" };
  const device = { driver: "virtio-rng-pci", id: "rng0", rng: "entropy" };
  return ["-object", optionString(source), "-device", optionString(device)];
}

function checkedSocketPath(what: string, path: string): string {
  return checkedPath(what, path, UNIX_SOCKET_PATH_LIMIT_BYTES);
}

/** QEMU listens and waits for nobody. */
function socketChardev(id: string, path: string): string {
  return optionString({ backend: "socket", id, path, server: "on", wait: "off" });
}

function monitor(socketPath: string): string[] {
  const path = checkedSocketPath("monitor socket", socketPath);
  return [
    ...["-chardev", socketChardev(QMP_CHARDEV_ID, path)],
    ...["-mon", optionString({ chardev: QMP_CHARDEV_ID, mode: "control" })],
  ];
}
