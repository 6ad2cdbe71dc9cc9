/**
 * `/sbin/windlass-wake WAITER...`: the gate between a template and its clones. Stops every process of the
 * guest, says so in the journal, and reads the wake message (guest/api/wake-message.ts). Whoever
 * reads on after that is another machine: clock, entropy, network address and host name are set
 * and every waiting program's record is written before anything else runs again.
 *
 * Machine code, because under emulation a clone pays for every instruction it has not run before: the agent
 * would need some twenty thousand of them for the same.
 *
 * Descriptors: 0 the wake port, 1 the journal, 2 the console, 3 the FIFO of records. One argument for each
 * waiting program.
 */
import { WAKE_LAYOUT } from "../../guest/api/wake-message.ts";
import { Assembler } from "./assembler.ts";
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
const FIFO = 3;
const EVERYBODY = -1;

export function wakeHelperExecutable(): Uint8Array {
  const program = new Assembler();
  const message = program.bytes(new Uint8Array(WAKE_LAYOUT.document));
  const part = (name: keyof typeof WAKE_LAYOUT) => ({ ...message, offset: WAKE_LAYOUT[name] });
  const retry = program.bytes(timespec(0, RETRY_NANOSECONDS));

  program.loadWord("rsp", 0);
  program.save("r14"); // argc: one more than there are waiting programs
  program.systemCall(SYSTEM_CALL.open, program.string("/dev/urandom"), OPEN_FLAG.readWrite, 0);
  program.save("r12");
  program.systemCall(SYSTEM_CALL.socket, ADDRESS_FAMILY_INET, SOCKET_DATAGRAM, 0);
  program.save("r13");
  program.systemCall(SYSTEM_CALL.kill, EVERYBODY, SIGNAL.stop);
  program.systemCall(SYSTEM_CALL.write, 1, program.string(ARMED), ARMED.length);

  program.set("rbx", message);
  program.set("rbp", part("document"));
  program.label("read");
  program.subtract("rbp", 0);
  program.subtractRegister("rbx");
  program.jumpIf("zero", "awake");
  program.save("r15");
  program.systemCall(SYSTEM_CALL.read, 0, { register: "rbx" }, { register: "r15" });
  program.jumpIf("negative", "wait");
  program.jumpIf("zero", "wait");
  program.addTo("rbx");
  program.jump("read");
  program.label("wait");
  program.systemCall(SYSTEM_CALL.nanosleep, retry, 0);
  program.jump("read");

  // What fails is passed over: a kernel without the call, a machine without a network card.
  program.label("awake");
  program.systemCall(SYSTEM_CALL.adjtimex, part("clock"));
  program.systemCall(SYSTEM_CALL.ioctl, { register: "r12" }, IOCTL_ADD_ENTROPY, part("entropy"));
  program.systemCall(SYSTEM_CALL.ioctl, { register: "r12" }, IOCTL_RESEED, 0);
  program.systemCall(
    SYSTEM_CALL.ioctl,
    { register: "r13" },
    IOCTL_SET_HARDWARE_ADDRESS,
    part("networkCard"),
  );
  program.set("rbx", part("hostnameLength"));
  program.loadWord("rbx", 0);
  program.save("r15");
  program.systemCall(SYSTEM_CALL.sethostname, part("hostname"), { register: "r15" });

  program.label("next");
  program.subtract("r14", 1);
  program.jumpIf("zero", "go");
  program.save("r14");
  program.systemCall(SYSTEM_CALL.write, FIFO, part("record"), RECORD_BYTES);
  program.jump("next");
  program.label("go");
  program.systemCall(SYSTEM_CALL.kill, EVERYBODY, SIGNAL.continue);
  program.systemCall(SYSTEM_CALL.exit, 0);
  return program.assemble();
}
