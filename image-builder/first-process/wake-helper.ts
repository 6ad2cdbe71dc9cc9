/**
 * `/sbin/windlass-wake`: the gate between a template and its clones. Stops every process of the
 * guest, says so in the journal, and reads the wake message (guest/api/wake-message.ts). Whoever
 * reads on after that is another machine: clock, entropy, network address and host name are set
 * and every waiting program's record is written before anything else runs again.
 *
 * The agent, which started it, stays stopped until it has something to do: until the descriptor it waits on
 * can be read, or the program has ended.
 *
 * Machine code, because under emulation a clone pays for every instruction it has not run before: the agent
 * would need some twenty thousand of them for the same.
 *
 * Descriptors: 0 the wake port, 1 the journal, 2 the console, 3 the FIFO of records, 4 a file with process ids,
 * 64 bits each: the program's (0 if it has ended), then those of the waiting programs; 5 what the agent waits on.
 */
import { HOSTS_BYTES, WAKE_LAYOUT, WOKEN_BYTES } from "../../guest/api/wake-message.ts";
import { Assembler, type DataReference } from "./assembler.ts";
import { timespec } from "./init.ts";
import {
  ADDRESS_FAMILY_INET,
  IOCTL_ADD_ENTROPY,
  IOCTL_RESEED,
  IOCTL_SET_HARDWARE_ADDRESS,
  OPEN_FLAG,
  SIGNAL,
  SOCKET_DATAGRAM,
  SYSTEM_CALL,
} from "./linux-call.ts";

const RECORD_BYTES = WAKE_LAYOUT.document - WAKE_LAYOUT.record;
/** The journal record that means: nothing but this helper runs any more. */
const ARMED = '{"kind":"phase","timeMs":0,"phase":"armed","uptimeMs":0}\n';
/** Nobody listens at the port's other end: look again after this. */
const RETRY_NANOSECONDS = 5_000_000;
/** There may be so many processes in the file. */
const PROCESSES_MAX = 513;
const PID_BYTES = 8;
/** poll(2) POLLIN */
const READABLE = 1;
const EVERYBODY = -1;

/** Descriptors, those that are opened here behind those that may be inherited. */
const FD = {
  ...{ port: 0, journal: 1, fifo: 3, processes: 4, events: 5 },
  ...{ random: 10, socket: 11, arpIgnore: 12, arpNotify: 13, hosts: 14, program: 15 },
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

  program.systemCall(SYSTEM_CALL.read, FD.processes, pids, PROCESSES_MAX * PID_BYTES);
  program.save("r14"); // how many bytes there are of them
  program.set("rbx", pids);
  program.loadWord("rbx", 0);
  program.save("r15");
  program.systemCall(SYSTEM_CALL.pidfdOpen, { register: "r15" }, 0);
  moveTo(program, FD.program);
  program.systemCall(SYSTEM_CALL.getppid);
  program.save("r13");
  openAs(program, FD.random, "/dev/urandom");
  openAs(program, FD.arpIgnore, ARP_IGNORE);
  openAs(program, FD.arpNotify, ARP_NOTIFY);
  openAs(program, FD.hosts, "/etc/hosts");
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

  // The waiting programs first.
  program.set("rbx", pids);
  program.set("rbp", pids);
  program.subtract("r14", 0);
  program.addTo("rbp");
  program.label("next");
  program.subtract("rbx", -PID_BYTES);
  program.save("rbx");
  program.subtractRegister("rbp");
  program.jumpIf("not-negative", "go");
  program.systemCall(SYSTEM_CALL.write, FD.fifo, part("record"), RECORD_BYTES);
  program.loadWord("rbx", 0);
  program.save("r15");
  program.systemCall(SYSTEM_CALL.kill, { register: "r15" }, SIGNAL.continue);
  program.jump("next");
  program.label("go");
  program.systemCall(SYSTEM_CALL.nanosleep, part("headStart"), 0);
  program.systemCall(SYSTEM_CALL.write, FD.journal, part("journal"), WOKEN_BYTES);
  program.systemCall(SYSTEM_CALL.kill, EVERYBODY, SIGNAL.continue);
  program.systemCall(SYSTEM_CALL.kill, { register: "r13" }, SIGNAL.stop);
  program.systemCall(SYSTEM_CALL.poll, program.bytes(pollList([FD.events, FD.program])), 2, -1);
  program.systemCall(SYSTEM_CALL.kill, { register: "r13" }, SIGNAL.continue);
  program.systemCall(SYSTEM_CALL.exit, 0);
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

/** Reads until the part that is the agent's begins. */
function readMessage(program: Assembler, start: DataReference, end: DataReference): void {
  const retry = program.bytes(timespec(0, RETRY_NANOSECONDS));
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
  program.systemCall(SYSTEM_CALL.nanosleep, retry, 0);
  program.jump("read");
  program.label("awake");
}

function openAs(program: Assembler, descriptor: number, path: string): void {
  program.systemCall(SYSTEM_CALL.open, program.string(path), OPEN_FLAG.readWrite, 0);
  moveTo(program, descriptor);
}

/** Gives the last result, a descriptor, a number of its own. */
function moveTo(program: Assembler, descriptor: number): void {
  program.save("r15");
  program.systemCall(SYSTEM_CALL.dup2, { register: "r15" }, descriptor);
}
