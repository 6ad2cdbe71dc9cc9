/**
 * `/init`, process 1 of the guest's real root: mounts the kernel's file systems, starts one program
 * (the agent), reaps every orphan, and powers the machine off when the agent has ended. The agent's process becomes
 * the starter first (starter.ts), if the host gave one.
 *
 * It waits for *any* child: its own children are the agent and adopted orphans only, so it can never
 * take the exit status of a process that the agent waits for.
 */
import { downRequest, NETWORK_IOCTL } from "../../guest/api/network-structures.ts";
import { STARTER_FW_CFG, STARTER_PATH } from "../../guest/api/starter.ts";
import { Assembler, type DataReference } from "./assembler.ts";
import {
  ADDRESS_FAMILY_INET,
  MOUNT_FLAG,
  OPEN_FLAG,
  REBOOT,
  RLIMIT_NOFILE,
  SOCKET_DATAGRAM,
  SYSTEM_CALL,
} from "./linux-call.ts";

export interface InitOptions {
  /** What to run: argv[0] is the absolute path. */
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Of the folders that are memory otherwise, those that are the root's own. Default none. */
  readonly ownFolders?: readonly string[];
}

const { noSuid, noDevices, noExecute, noAccessTimes } = MOUNT_FLAG;

/** What process 1 mounts. A mount that fails (kernel without it) is passed over: the agent reports it. */
const KERNEL_MOUNTS = [
  { type: "proc", target: "/proc", flags: noSuid | noDevices | noExecute, data: "" },
  { type: "sysfs", target: "/sys", flags: noSuid | noDevices | noExecute, data: "" },
  {
    type: "devpts",
    target: "/dev/pts",
    flags: noSuid | noExecute,
    data: "mode=0620,ptmxmode=0666",
  },
  { type: "tmpfs", target: "/dev/shm", flags: noSuid | noDevices, data: "mode=1777" },
  { type: "tmpfs", target: "/run", flags: noSuid | noDevices, data: "mode=0755" },
  { type: "tmpfs", target: "/tmp", flags: noSuid | noDevices | noAccessTimes, data: "mode=1777" },
] as const;

/** The names that programs expect for their own descriptors; devtmpfs has none. */
const DESCRIPTOR_LINKS = [
  ["/dev/fd", "/proc/self/fd"],
  ["/dev/stdin", "/proc/self/fd/0"],
  ["/dev/stdout", "/proc/self/fd/1"],
  ["/dev/stderr", "/proc/self/fd/2"],
] as const;

const NETWORK_CARD = "eth0";
/** Docker's limit; the kernel's own, 4096, is for a machine with many users. */
const OPEN_FILES_MAX = 1_048_576;

/** Emits `/init`. */
export function initExecutable(options: InitOptions): Uint8Array {
  const program = new Assembler();
  for (const directory of ["/dev/pts", "/dev/shm"]) {
    program.systemCall(SYSTEM_CALL.mkdir, program.string(directory), 0o755);
  }
  for (const { type, target, flags, data } of KERNEL_MOUNTS) {
    if (options.ownFolders?.includes(target)) continue;
    const name = program.string(type);
    const point = program.string(target);
    program.systemCall(SYSTEM_CALL.mount, name, point, name, flags, program.string(data));
  }
  for (const [path, target] of DESCRIPTOR_LINKS) {
    program.systemCall(SYSTEM_CALL.symlink, program.string(target), program.string(path));
  }
  program.systemCall(SYSTEM_CALL.setrlimit, RLIMIT_NOFILE, program.bytes(openFilesLimit()));
  superviseAndPowerOff(program, options);
  return program.assemble();
}

/** struct rlimit: soft and hard limit, 64 bits each. */
function openFilesLimit(): Uint8Array {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64LE(BigInt(OPEN_FILES_MAX), 0);
  bytes.writeBigUInt64LE(BigInt(OPEN_FILES_MAX), 8);
  return bytes;
}

/** Starts the program, reaps until it ends, powers off. Nothing may follow. */
function superviseAndPowerOff(program: Assembler, options: InitOptions): void {
  const { argv, environment } = options;
  const [path] = argv;
  if (path === undefined) throw new RangeError("argv is empty");
  const pathText = program.string(path);
  const argvPointers = program.pointers(argv.map((word) => program.string(word)));
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const environmentPointers = program.pointers(variables.map((word) => program.string(word)));

  program.systemCall(SYSTEM_CALL.fork);
  program.save("r12");
  program.jumpIf("not-zero", "parent");
  program.systemCall(SYSTEM_CALL.setsid);
  becomeStarter(program, argvPointers, environmentPointers);
  program.systemCall(SYSTEM_CALL.execve, pathText, argvPointers, environmentPointers);
  writeLine(program, `windlass: cannot start ${path}`);
  program.systemCall(SYSTEM_CALL.exit, 127);

  program.label("parent");
  program.systemCall(SYSTEM_CALL.wait4, -1, 0, 0, 0);
  program.subtractRegister("r12");
  program.jumpIf("not-zero", "parent");
  program.systemCall(SYSTEM_CALL.sync);
  takeNetworkDown(program);
  powerOff(program);
}

/**
 * Linux breaks virtio devices when it powers off, and while packets are on their way out its driver of network cards
 * then looks for them for ever (drivers/net/virtio_net.c, virtnet_poll_cleantx; seen with 6.1.192). A card that is down has none.
 */
function takeNetworkDown(program: Assembler): void {
  const request = program.bytes(downRequest(NETWORK_CARD));
  program.systemCall(SYSTEM_CALL.socket, ADDRESS_FAMILY_INET, SOCKET_DATAGRAM, 0);
  program.save("rbx");
  program.systemCall(SYSTEM_CALL.ioctl, { register: "rbx" }, NETWORK_IOCTL.setFlags, request);
}

/** sysfs gives at most a page at a time. */
const COPY_BYTES = 4096;

/**
 * Copies the starter from fw_cfg into memory and becomes it, which then becomes the agent. Goes on where
 * there is none, or an empty one.
 */
function becomeStarter(program: Assembler, argv: DataReference, environment: DataReference): void {
  const buffer = program.bytes(new Uint8Array(COPY_BYTES));
  const path = program.string(STARTER_PATH);
  const source = program.string(`/sys/firmware/qemu_fw_cfg/by_name/${STARTER_FW_CFG}/raw`);
  const { create, closeOnExec, readOnly, writeOnly } = OPEN_FLAG;
  program.systemCall(SYSTEM_CALL.open, source, readOnly | closeOnExec, 0);
  program.jumpIf("negative", "no starter");
  program.save("rbx");
  program.systemCall(SYSTEM_CALL.open, path, create | writeOnly | closeOnExec, 0o700);
  program.save("rbp");
  program.label("copy");
  program.systemCall(SYSTEM_CALL.read, { register: "rbx" }, buffer, COPY_BYTES);
  program.save("r13");
  program.jumpIf("negative", "copied");
  program.jumpIf("zero", "copied");
  program.systemCall(SYSTEM_CALL.write, { register: "rbp" }, buffer, { register: "r13" });
  program.jump("copy");
  program.label("copied");
  // A file that is open for writing is not executed (ETXTBSY).
  program.systemCall(SYSTEM_CALL.close, { register: "rbp" });
  program.systemCall(SYSTEM_CALL.close, { register: "rbx" });
  program.systemCall(SYSTEM_CALL.execve, path, argv, environment);
  program.systemCall(SYSTEM_CALL.unlink, path);
  program.label("no starter");
}

/** Ends the machine; where the kernel cannot power off, it halts in a loop that QEMU's owner sees. */
export function powerOff(program: Assembler): void {
  const second = program.bytes(timespec(1, 0));
  program.label("power-off");
  program.systemCall(SYSTEM_CALL.reboot, REBOOT.magic1, REBOOT.magic2, REBOOT.powerOff, 0);
  program.systemCall(SYSTEM_CALL.nanosleep, second, 0);
  program.jump("power-off");
}

/** Writes a line to standard error. */
export function writeLine(program: Assembler, text: string): void {
  const line = `${text}\n`;
  program.systemCall(SYSTEM_CALL.write, 2, program.string(line), Buffer.byteLength(line));
}

/** struct timespec: two 64-bit numbers. */
export function timespec(seconds: number, nanoseconds: number): Uint8Array {
  const bytes = Buffer.alloc(16);
  bytes.writeBigInt64LE(BigInt(seconds), 0);
  bytes.writeBigInt64LE(BigInt(nanoseconds), 8);
  return bytes;
}
