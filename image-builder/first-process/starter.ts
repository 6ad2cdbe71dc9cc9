/**
 * The starter: sets host name and network, takes the agent's port, starts the program with its output
 * in sockets, and becomes the agent, which inherits these (guest/api/starter.ts). The host makes one for each
 * start of a machine, with all that it needs as data: nothing is parsed in the guest. So a program
 * begins a second before the agent's Node would have started it.
 *
 * What fails is passed over: the agent finds out, and does it again or says so.
 */

import {
  addressRequest,
  maskOf,
  NETWORK_IOCTL,
  routeEntry,
  upRequest,
} from "../../guest/api/network-structures.ts";
import { STARTED_FD, STARTED_PATH, STARTER_PATH } from "../../guest/api/starter.ts";
import { Assembler, type DataReference } from "./assembler.ts";
import {
  ADDRESS_FAMILY_INET,
  ADDRESS_FAMILY_INET6,
  ADDRESS_FAMILY_UNIX,
  OPEN_FLAG,
  SET_DESCRIPTOR_FLAGS,
  SOCKET_CLOSE_ON_EXEC,
  SOCKET_DATAGRAM,
  SOCKET_OPTION,
  SOCKET_STREAM,
  SYSTEM_CALL,
} from "./linux-call.ts";

export interface Starter {
  readonly hostname: string;
  /** Contents of /etc/hosts. */
  readonly hosts: string;
  /** Absent for a machine without a network. */
  readonly network?: StarterNetwork | undefined;
  readonly agentPort: number;
  /** argv[0] is an absolute path. It runs as root. */
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** An absolute path. */
  readonly workdir: string;
}

export interface StarterNetwork {
  readonly device: string;
  /** With prefix length. */
  readonly address: string;
  readonly gateway: string;
  readonly nameservers: readonly string[];
}

/**
 * While both start on one vCPU the program goes first, and the agent gets a tenth: a program that only computes must
 * not keep it from starting.
 */
const AGENT_NICE = 10;
/** proc(5): the priority of a whole session, which is what counts between sessions where the kernel has this. */
const AUTOGROUP_FILE = "/proc/self/autogroup";
/** As the agent sets it itself, when it runs. */
const AGENT_OOM_SCORE = "-900";
/** net.Server's. */
const BACKLOG = 511;
const WORD_BYTES = 8;
/** Descriptors are the lowest that are free: 3 to 5 are taken at first, and each that is opened is 6 or closed again. */
const FD = { outputEnd: 7, errorsEnd: 8, started: 6, next: 6, null: 9 } as const;

/** Emits the executable. argv is the agent's: argv[0] its absolute path. */
export function starterExecutable(starter: Starter): Uint8Array {
  const program = new Assembler();
  program.systemCall(SYSTEM_CALL.unlink, program.string(STARTER_PATH));
  for (const descriptor of Object.values(STARTED_FD)) {
    program.systemCall(SYSTEM_CALL.dup3, 0, descriptor, OPEN_FLAG.closeOnExec);
  }
  const { hostname } = starter;
  program.systemCall(SYSTEM_CALL.sethostname, program.string(hostname), hostname.length);
  writeFile(program, "/etc/hosts", starter.hosts);
  configureNetwork(program, starter.network);
  writeFile(program, "/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
  listen(program, starter.agentPort);
  startProgram(program, starter);
  becomeAgent(program);
  return program.assemble();
}

function writeFile(program: Assembler, path: string, text: string): void {
  const { writeOnly, create, truncate } = OPEN_FLAG;
  const bytes = Buffer.byteLength(text);
  program.systemCall(SYSTEM_CALL.open, program.string(path), writeOnly | create | truncate, 0o644);
  program.save("rbx");
  program.systemCall(SYSTEM_CALL.write, { register: "rbx" }, program.string(text), bytes);
  program.systemCall(SYSTEM_CALL.close, { register: "rbx" });
}

/** To a file that some kernels do not have. */
function writeSetting(program: Assembler, path: string, text: string): void {
  program.systemCall(SYSTEM_CALL.open, program.string(path), OPEN_FLAG.writeOnly, 0);
  program.save("rbx");
  program.systemCall(SYSTEM_CALL.write, { register: "rbx" }, program.string(text), text.length);
  program.systemCall(SYSTEM_CALL.close, { register: "rbx" });
}

function configureNetwork(program: Assembler, network: StarterNetwork | undefined): void {
  // guest/init/network.ts says why.
  if (network) writeSetting(program, `/proc/sys/net/ipv6/conf/${network.device}/disable_ipv6`, "1");
  program.systemCall(SYSTEM_CALL.socket, ADDRESS_FAMILY_INET, SOCKET_DATAGRAM, 0);
  program.save("rbx");
  const call = (request: number, argument: Buffer): void =>
    program.systemCall(SYSTEM_CALL.ioctl, { register: "rbx" }, request, program.bytes(argument));
  call(NETWORK_IOCTL.setFlags, upRequest("lo"));
  if (network) {
    const { device, gateway } = network;
    const [address = "", prefix = ""] = network.address.split("/");
    call(NETWORK_IOCTL.setAddress, addressRequest(device, address));
    call(NETWORK_IOCTL.setMask, addressRequest(device, maskOf(Number(prefix))));
    call(NETWORK_IOCTL.setFlags, upRequest(device));
    const everywhere = { destination: "0.0.0.0", mask: "0.0.0.0", gateway };
    call(NETWORK_IOCTL.addRoute, routeEntry(everywhere));
  }
  program.systemCall(SYSTEM_CALL.close, { register: "rbx" });
  if (!network) return;
  const servers = network.nameservers.map((one) => `nameserver ${one}\n`);
  writeFile(program, "/etc/resolv.conf", servers.join(""));
}

/** On the agent's port, before the program could take it: of IPv6 and IPv4, or of IPv4 where the kernel has no other. */
function listen(program: Assembler, port: number): void {
  for (const [family, addressBytes] of [
    [ADDRESS_FAMILY_INET6, 28],
    [ADDRESS_FAMILY_INET, 16],
  ] as const) {
    const everywhere = Buffer.alloc(addressBytes);
    everywhere.writeUInt16LE(family, 0);
    everywhere.writeUInt16BE(port, 2);
    const { level, reuseAddress } = SOCKET_OPTION;
    const socket = { register: "rbx" } as const;
    const type = SOCKET_STREAM | SOCKET_CLOSE_ON_EXEC;
    program.systemCall(SYSTEM_CALL.socket, family, type, 0);
    program.jumpIf("negative", `no family ${family}`);
    program.save("rbx");
    const one = program.bytes(Uint8Array.of(1, 0, 0, 0));
    program.systemCall(SYSTEM_CALL.setsockopt, socket, level, reuseAddress, one, 4);
    program.systemCall(SYSTEM_CALL.bind, socket, program.bytes(everywhere), addressBytes);
    program.jumpIf("negative", `no port ${family}`);
    program.systemCall(SYSTEM_CALL.listen, socket, BACKLOG);
    program.systemCall(SYSTEM_CALL.dup3, socket, STARTED_FD.listener, OPEN_FLAG.closeOnExec);
    program.systemCall(SYSTEM_CALL.close, socket);
    program.jump("listening");
    program.label(`no port ${family}`);
    program.systemCall(SYSTEM_CALL.close, socket);
    program.label(`no family ${family}`);
  }
  program.label("listening");
}

/** Forks: the child is the program. */
function startProgram(program: Assembler, { argv, environment, workdir }: Starter): void {
  const [path = ""] = argv;
  const word = program.bytes(new Uint8Array(WORD_BYTES));
  socketPair(program, STARTED_FD.stdout);
  socketPair(program, STARTED_FD.stderr);
  const { create, writeOnly, closeOnExec, readWrite } = OPEN_FLAG;
  const flags = create | writeOnly | closeOnExec;
  program.systemCall(SYSTEM_CALL.open, program.string(STARTED_PATH), flags, 0o600);
  program.jumpIf("negative", "not started");
  program.systemCall(SYSTEM_CALL.fork);
  program.jumpIf("negative", "not started");
  program.jumpIf("not-zero", "started");
  program.systemCall(SYSTEM_CALL.setsid);
  program.systemCall(SYSTEM_CALL.open, program.string("/dev/null"), readWrite | closeOnExec, 0);
  program.systemCall(SYSTEM_CALL.dup2, FD.null, 0);
  program.systemCall(SYSTEM_CALL.dup2, FD.outputEnd, 1);
  program.systemCall(SYSTEM_CALL.dup2, FD.errorsEnd, 2);
  program.systemCall(SYSTEM_CALL.chdir, program.string(workdir));
  program.jumpIf("negative", "failed");
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const pointers = (words: readonly string[]): DataReference =>
    program.pointers(words.map((text) => program.string(text)));
  program.systemCall(SYSTEM_CALL.execve, program.string(path), pointers(argv), pointers(variables));
  program.label("failed");
  program.store(word);
  program.systemCall(SYSTEM_CALL.pwrite, FD.started, word, WORD_BYTES, WORD_BYTES);
  program.systemCall(SYSTEM_CALL.exit, 127);
  program.label("started");
  program.store(word);
  program.systemCall(SYSTEM_CALL.pwrite, FD.started, word, WORD_BYTES, 0);
  program.jump("agent");
  // Then the agent starts it, and takes its port itself.
  program.label("not started");
  for (const descriptor of Object.values(STARTED_FD)) {
    program.systemCall(SYSTEM_CALL.close, descriptor);
  }
  program.label("agent");
}

/** One end is the agent's from now on, but not the program's; the other becomes 7, then 8. */
function socketPair(program: Assembler, ours: number): void {
  const type = SOCKET_STREAM | SOCKET_CLOSE_ON_EXEC;
  const pair = program.bytes(new Uint8Array(WORD_BYTES));
  program.systemCall(SYSTEM_CALL.socketpair, ADDRESS_FAMILY_UNIX, type, 0, pair);
  program.systemCall(SYSTEM_CALL.dup3, FD.next, ours, OPEN_FLAG.closeOnExec);
  program.systemCall(SYSTEM_CALL.close, FD.next);
}

/** With the arguments and the environment that `/init` gave. */
function becomeAgent(program: Assembler): void {
  program.systemCall(SYSTEM_CALL.setpriority, 0, 0, AGENT_NICE);
  writeSetting(program, AUTOGROUP_FILE, String(AGENT_NICE));
  writeSetting(program, "/proc/self/oom_score_adj", AGENT_OOM_SCORE);
  for (const descriptor of Object.values(STARTED_FD)) {
    program.systemCall(SYSTEM_CALL.fcntl, descriptor, SET_DESCRIPTOR_FLAGS, 0);
  }
  program.saveStackAddress("rbx", WORD_BYTES); // argv: psABI, figure 3.9
  program.loadWord("rbx", 0);
  program.save("r12");
  program.loadWord("rsp", 0); // argc
  program.addressAfterArguments("rbp"); // envp
  const [path, argv, environment] = ["r12", "rbx", "rbp"] as const;
  const operands = [{ register: path }, { register: argv }, { register: environment }] as const;
  program.systemCall(SYSTEM_CALL.execve, ...operands);
  program.systemCall(SYSTEM_CALL.exit, 127);
}
