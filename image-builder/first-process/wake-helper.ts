/**
 * `/sbin/windlass-wake`: the gate between a template and its clones. Stops every process of the
 * guest, says so in the journal, and reads the wake message (guest/api/wake-message.ts). Whoever
 * reads on after that is another machine: clock, entropy, network address and host name are set
 * and every waiting program's record is written before anything else runs again.
 *
 * When the host hangs up without a message, everything goes on as the machine that it was: the one that is
 * saved must not stand still for ever because the program that saves it was killed. A clone in that place,
 * which the host gave another instance document, ends: it must not live as its brother.
 *
 * The agent, which started it, waits for its end: that comes when the descriptor the agent waits on at other times
 * can be read, or the program has ended.
 *
 * Machine code, because under emulation a clone pays for every instruction it has not run before: the agent
 * would need some twenty thousand of them for the same.
 *
 * Descriptors: 0 the wake port, 1 the journal, 2 the console, 3 the FIFO of records, 4 a file with process ids,
 * 64 bits each: the program's (0 if it has ended), then those of the waiting programs; 5 what the agent waits on;
 * 6 holds the agent up as long as it is open.
 */
import { INSTANCE_DOCUMENT_FW_CFG } from "../../guest/api/channel.ts";
import { HOSTS_BYTES, WAKE_LAYOUT, WOKEN_BYTES } from "../../guest/api/wake-message.ts";
import { Assembler, type DataReference } from "./assembler.ts";
import { timespec } from "./init.ts";
import {
  ADDRESS_FAMILY_INET,
  IOCTL_ADD_ENTROPY,
  IOCTL_RESEED,
  IOCTL_SET_HARDWARE_ADDRESS,
  OPEN_FLAG,
  REBOOT,
  SIGNAL,
  SOCKET_DATAGRAM,
  SYSTEM_CALL,
} from "./linux-call.ts";

const RECORD_BYTES = WAKE_LAYOUT.document - WAKE_LAYOUT.record;
/** The journal record that means: nothing but this helper runs any more. */
const ARMED = '{"kind":"phase","timeMs":0,"phase":"armed","uptimeMs":0}\n';
/** Nobody listens at the port's other end: look again after this. */
const RETRY_NANOSECONDS = 5_000_000;
/** And give up after so many looks in a row: a second. */
const RETRIES = 200;
/** There may be so many processes in the file. */
const PROCESSES_MAX = 513;
const PID_BYTES = 8;
const WORD_BYTES = 8;
/** Which instance this is; the beginning has its id. */
const DOCUMENT = `/sys/firmware/qemu_fw_cfg/by_name/${INSTANCE_DOCUMENT_FW_CFG}/raw`;
const DOCUMENT_BYTES = 128;
/** poll(2) POLLIN */
const READABLE = 1;
const EVERYBODY = -1;
/** WakeRecord of a machine that goes on as it was. */
const RESUMED = '{"kind":"resume"}';

/** Descriptors, those that are opened here behind those that may be inherited. */
const FD = {
  ...{ port: 0, journal: 1, fifo: 3, processes: 4, events: 5 },
  ...{ random: 10, socket: 11, arpIgnore: 12, arpNotify: 13, hosts: 14, program: 15, document: 16 },
};

/**
 * Documentation/networking/ip-sysctl.rst. Until the card has its own address nobody may learn the
 * template's: what was sent there would be lost, and only be sent again after a second. So ARP requests
 * stay unanswered (8), and the change of address announces itself.
 */
const ARP_IGNORE = "/proc/sys/net/ipv4/conf/all/arp_ignore";
const ARP_NOTIFY = "/proc/sys/net/ipv4/conf/all/arp_notify";

export function wakeHelperExecutable(): Uint8Array {
  const program = new Assembler();
  const message = program.bytes(new Uint8Array(WAKE_LAYOUT.document));
  const part = (name: keyof typeof WAKE_LAYOUT) => ({ ...message, offset: WAKE_LAYOUT[name] });

  const pids = program.bytes(new Uint8Array(PROCESSES_MAX * PID_BYTES));
  const documentThen = program.bytes(new Uint8Array(DOCUMENT_BYTES));
  const documentNow = program.bytes(new Uint8Array(DOCUMENT_BYTES));

  program.systemCall(SYSTEM_CALL.read, FD.processes, pids, PROCESSES_MAX * PID_BYTES);
  program.save("r14"); // how many bytes there are of them
  program.set("rbx", pids);
  program.loadWord("rbx", 0);
  program.save("r15");
  program.systemCall(SYSTEM_CALL.pidfdOpen, { register: "r15" }, 0);
  moveTo(program, FD.program);
  openAs(program, FD.random, "/dev/urandom");
  openAs(program, FD.arpIgnore, ARP_IGNORE);
  openAs(program, FD.arpNotify, ARP_NOTIFY);
  openAs(program, FD.hosts, "/etc/hosts");
  openAs(program, FD.document, DOCUMENT, OPEN_FLAG.readOnly);
  program.systemCall(SYSTEM_CALL.pread, FD.document, documentThen, DOCUMENT_BYTES, 0);
  program.systemCall(SYSTEM_CALL.socket, ADDRESS_FAMILY_INET, SOCKET_DATAGRAM, 0);
  moveTo(program, FD.socket);
  program.systemCall(SYSTEM_CALL.write, FD.arpNotify, program.string("1"), 1);
  program.systemCall(SYSTEM_CALL.kill, EVERYBODY, SIGNAL.stop);
  program.systemCall(SYSTEM_CALL.pwrite, FD.arpIgnore, program.string("8"), 1, 0);
  // Written to once, or every clone would have its kernel copy these pages of the file.
  program.systemCall(SYSTEM_CALL.read, FD.random, message, WAKE_LAYOUT.document);
  program.systemCall(SYSTEM_CALL.write, FD.journal, program.string(ARMED), ARMED.length);

  readMessage(program, message, part("document"));

  // What fails is passed over: a kernel without the call, a machine without a network card.
  program.systemCall(SYSTEM_CALL.ioctl, FD.socket, IOCTL_SET_HARDWARE_ADDRESS, part("networkCard"));
  program.systemCall(SYSTEM_CALL.pwrite, FD.arpIgnore, program.string("0"), 1, 0);
  program.systemCall(SYSTEM_CALL.adjtimex, part("clock"));
  program.systemCall(SYSTEM_CALL.ioctl, FD.random, IOCTL_ADD_ENTROPY, part("entropy"));
  program.systemCall(SYSTEM_CALL.ioctl, FD.random, IOCTL_RESEED, 0);
  program.set("rbx", part("hostnameLength"));
  program.loadWord("rbx", 0);
  program.save("r15");
  program.systemCall(SYSTEM_CALL.sethostname, part("hostname"), { register: "r15" });

  program.systemCall(SYSTEM_CALL.pwrite, FD.hosts, part("hosts"), HOSTS_BYTES, 0);

  wakePrograms(program, pids, { record: part("record"), label: "woken" });
  program.systemCall(SYSTEM_CALL.nanosleep, part("headStart"), 0);
  program.systemCall(SYSTEM_CALL.write, FD.journal, part("journal"), WOKEN_BYTES);
  program.systemCall(SYSTEM_CALL.kill, EVERYBODY, SIGNAL.continue);
  program.systemCall(SYSTEM_CALL.poll, program.bytes(pollList([FD.events, FD.program])), 2, -1);
  program.systemCall(SYSTEM_CALL.exit, 0);

  program.label("abandoned");
  program.systemCall(SYSTEM_CALL.pread, FD.document, documentNow, DOCUMENT_BYTES, 0);
  compareWords(program, [documentThen, documentNow], { bytes: DOCUMENT_BYTES, differ: "lost" });
  program.systemCall(SYSTEM_CALL.pwrite, FD.arpIgnore, program.string("0"), 1, 0);
  const record = program.bytes(Buffer.alloc(RECORD_BYTES, " ").fill(RESUMED, 0, RESUMED.length));
  wakePrograms(program, pids, { record, label: "resumed" });
  program.systemCall(SYSTEM_CALL.kill, EVERYBODY, SIGNAL.continue);
  program.systemCall(SYSTEM_CALL.exit, 1);

  program.label("lost");
  program.systemCall(SYSTEM_CALL.reboot, REBOOT.magic1, REBOOT.magic2, REBOOT.powerOff, 0);
  return program.assemble();
}

/** Array of struct pollfd (poll(2)): descriptor, 32 bits; events and result, 16 bits each. */
function pollList(descriptors: readonly number[]): Uint8Array {
  const list = Buffer.alloc(descriptors.length * 8);
  for (const [index, descriptor] of descriptors.entries()) {
    list.writeInt32LE(descriptor, index * 8);
    list.writeInt16LE(READABLE, index * 8 + 4);
  }
  return list;
}

/** A record for each waiting program, and they go on: before everything else. */
function wakePrograms(
  program: Assembler,
  pids: DataReference,
  { record, label }: { record: DataReference; label: string },
): void {
  // From the second on; r14 has the length of the list in bytes.
  program.set("rbx", pids);
  program.set("rbp", pids);
  program.subtract("r14", 0);
  program.addTo("rbp");
  program.label(`${label}-next`);
  program.subtract("rbx", -PID_BYTES);
  program.save("rbx");
  program.subtractRegister("rbp");
  program.jumpIf("not-negative", label);
  program.systemCall(SYSTEM_CALL.write, FD.fifo, record, RECORD_BYTES);
  program.loadWord("rbx", 0);
  program.save("r15");
  program.systemCall(SYSTEM_CALL.kill, { register: "r15" }, SIGNAL.continue);
  program.jump(`${label}-next`);
  program.label(label);
}

/** Reads until the part that is the agent's begins. */
function readMessage(program: Assembler, start: DataReference, end: DataReference): void {
  const retry = program.bytes(timespec(0, RETRY_NANOSECONDS));
  program.set("r12", RETRIES);
  program.set("rbx", start);
  program.set("rbp", end);
  program.label("read");
  program.subtract("rbp", 0);
  program.subtractRegister("rbx");
  program.jumpIf("zero", "awake");
  program.save("r15");
  program.systemCall(SYSTEM_CALL.read, FD.port, { register: "rbx" }, { register: "r15" });
  program.jumpIf("negative", "wait");
  program.jumpIf("zero", "wait");
  program.addTo("rbx");
  program.jump("read");
  program.label("wait");
  program.subtract("r12", 1);
  program.jumpIf("zero", "abandoned");
  program.save("r12");
  program.systemCall(SYSTEM_CALL.nanosleep, retry, 0);
  program.jump("read");
  program.label("awake");
}

/** Jumps when two pieces of memory differ; their length is a multiple of a word's. */
function compareWords(
  program: Assembler,
  [one, other]: readonly [DataReference, DataReference],
  { bytes, differ }: { bytes: number; differ: string },
): void {
  program.set("rbx", one);
  program.set("rbp", other);
  program.set("r12", bytes / WORD_BYTES);
  program.label("compare");
  program.loadWord("rbx", 0);
  program.save("r13");
  program.loadWord("rbp", 0);
  program.subtractRegister("r13");
  program.jumpIf("not-zero", differ);
  for (const register of ["rbx", "rbp"] as const) {
    program.subtract(register, -WORD_BYTES);
    program.save(register);
  }
  program.subtract("r12", 1);
  program.save("r12");
  program.jumpIf("not-zero", "compare");
}

function openAs(
  program: Assembler,
  descriptor: number,
  path: string,
  flags: number = OPEN_FLAG.readWrite,
): void {
  program.systemCall(SYSTEM_CALL.open, program.string(path), flags, 0);
  moveTo(program, descriptor);
}

/** Gives the last result, a descriptor, a number of its own. */
function moveTo(program: Assembler, descriptor: number): void {
  program.save("r15");
  program.systemCall(SYSTEM_CALL.dup2, { register: "r15" }, descriptor);
}
