/**
 * The agent process, child of `/init`. In order of need: identity, journal, network, the program, and
 * only then the REST server, so that the program answers as early as it can.
 */
import { openSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type ListenOptions, type Server } from "node:net";
import { LogBuffer } from "../agent/log-buffer.ts";
import { INSTANCE_DOCUMENT_FW_CFG, JOURNAL_PORT } from "../api/channel.ts";
import type { InstanceDocument } from "../api/instance-document.ts";
import type { JournalRecord, OutputRecord } from "../api/journal.ts";
import type { Parent } from "../api/parent.ts";
import type { ProgramPort } from "../api/program.ts";
import { AGENT_PORT } from "../api/routes.ts";
import { STARTED_FD } from "../api/starter.ts";
import type { WakeDocument } from "../api/template.ts";
import { hostsFile } from "../api/wake-message.ts";
import { loadNativeLibrary, type NativeLibrary } from "../syscalls/koffi.ts";
import { mountTable } from "../syscalls/mount.ts";
import { networkInterfaces } from "../syscalls/network-interface.ts";
import { loadAgent } from "./agent-loader.ts";
import { setAgentPriority } from "./agent-priority.ts";
import { childWait, EarlyProgram, earlyPid } from "./early-program.ts";
import { guestSystem } from "./guest-machine.ts";
import { Journal } from "./journal.ts";
import { readKernelLog } from "./kernel-log.ts";
import { listeningPorts, loopbackPorts, type SocketTables } from "./listening-ports.ts";
import { preventThrashing } from "./memory-pressure.ts";
import { configureNetwork } from "./network.ts";
import { type OpenOutput, standardPipes } from "./output-pipe.ts";
import { ProgramSupervisor } from "./program-supervisor.ts";
import { ProgramWorker, type ThreadOptions } from "./program-worker.ts";
import { ScratchDisk } from "./scratch-disk.ts";
import { gateSystem } from "./template-system.ts";
import { resolveUser } from "./user-database.ts";
import { openVirtioPort } from "./virtio-port.ts";

const STANDARD_OUTPUT = 1;
/** The program has the CPU for itself until it listens or has ended, but no longer than this. */
const PROGRAM_HEAD_START_MS = 3_000;
/** Below the program's: while both start on one vCPU, the program goes first. */
const STARTING_PRIORITY = 10;

/** The program sleeps in its hooks, and draws its random numbers anew: the agent would do both with it. */
const NO_TEMPLATE_OF_THREADS =
  "A program that is a thread of the agent cannot be cloned; use isolation: process";

const journal = new Journal(openVirtioPort(JOURNAL_PORT, "w"), STANDARD_OUTPUT);
const uptimeMs = (): number => Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 1000;
const phase = (name: "init" | "agent-listening" | "woken"): void =>
  journal.write({ kind: "phase", timeMs: Date.now(), phase: name, uptimeMs: uptimeMs() });
const notice = (level: "info" | "warning" | "error", text: string): void =>
  journal.write({ kind: "notice", timeMs: Date.now(), level, text });

/** Last words, and the end: process 1 then powers the machine off. */
function fail(what: string, error: unknown): never {
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  notice("error", `${what}: ${detail}`);
  process.exit(1);
}
process.on("uncaughtException", (error) => fail("the agent failed", error));

main().catch((error) => fail("the agent cannot start", error));

async function main(): Promise<void> {
  phase("init");
  let document = readInstanceDocument();
  let parent: Parent | null = null;
  writeFileSync("/proc/self/oom_score_adj", "-900");
  preventThrashing();
  const native = loadNativeLibrary();
  const early = earlyPid();
  if (early === undefined) await prepareMachine(native, document);
  // Taken before the program can take it; the REST server gets it when it is loaded.
  const port = await listenEarly(early !== undefined);

  const environment = { ...document.program.env };
  const logs = new LogBuffer();
  const findUser = (user: string): ReturnType<typeof resolveUser> =>
    resolveUser(user, readFileSync("/etc/passwd", "utf8"), readFileSync("/etc/group", "utf8"));
  const scratch = document.scratch && scratchDisk(native, document.scratch.path);
  const unmountDisks = (): void => scratch?.unmount();
  process.on("exit", unmountDisks);
  const programOptions = {
    prepare: () => scratch?.mount(),
    spec: document.program,
    environment,
    resolveUser: findUser,
    record: (record: JournalRecord) => journal.write(record),
    output: (record: OutputRecord) => {
      journal.write(record);
      logs.push(record);
    },
    listeningPorts: () => listeningPorts(readSocketTables()).filter(isNotAgents),
    socketCounts,
    loopbackPorts: () => loopbackPorts(readSocketTables()).filter(isNotAgents),
    kernelLog: readKernelLog,
    memory: readMemory,
    uptimeMs,
    parent: () => parent,
    startThread: threads(native),
    onEnded: () => {
      if (document.program.onExit === "poweroff") process.exit(0);
    },
  };
  const supervisor = new ProgramSupervisor(programOptions);
  if (early === undefined) {
    supervisor.start();
  } else {
    supervisor.adopt(new EarlyProgram(early, childWait(native)));
    if (document.network.mode === "static" && !isNetworkUp())
      notice("error", "the network is not up");
  }

  await supervisor.settled(PROGRAM_HEAD_START_MS);
  setAgentPriority(STARTING_PRIORITY);
  const { createAgent } = loadAgent();
  const agentOptions = {
    tokens: document.tokens,
    system: guestSystem({ native, supervisor, findUser, unmountDisks }),
    program: supervisor,
    logs,
    environment,
    workdir: document.program.workdir,
    instance: { id: document.id, name: document.name },
    wake:
      journal.fd === undefined
        ? undefined
        : {
            system: gateSystem(native, journal.fd),
            program: supervisor,
            hooks: document.program.hooks,
            ...(document.program.isolation === "thread" && { refusal: NO_TEMPLATE_OF_THREADS }),
            isNeeded: () => document.program.health !== undefined,
            identity: (): WakeDocument => ({ kind: "resume", parent, instance: document }),
            onWake: become,
            onSet: () => phase("woken"),
            onFailure: (error: unknown) => notice("error", `waking: ${error}`),
          },
    version: WINDLASS_VERSION,
    platform: "linux" as const,
  };
  const agent = await createAgent(agentOptions);
  await agent.ready();
  agent.server.listen(port);
  phase("agent-listening");
  setAgentPriority(0);

  function scratchDisk(library: NativeLibrary, path: string): ScratchDisk {
    return new ScratchDisk({
      path,
      table: mountTable(library),
      owner: () => findUser(document.program.user),
      notice,
      killAll: () => void process.kill(-1, "SIGKILL"),
      sleep: (durationMs) =>
        void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, durationMs),
    });
  }

  /** From now on this is the machine of the document: a clone, or itself again. */
  function become(woken: WakeDocument): void {
    document = woken.instance;
    parent = woken.parent;
    if (woken.kind === "clone") logs.clear();
    programOptions.spec = document.program;
    for (const name of Object.keys(environment)) delete environment[name];
    Object.assign(environment, document.program.env);
    agentOptions.tokens = document.tokens;
    agentOptions.instance = { id: document.id, name: document.name };
    writeHosts(document.hostname);
  }
}

/** Programs as threads of this process: its standard output is theirs from the first one on. */
function threads(native: NativeLibrary): (options: ThreadOptions) => ProgramWorker {
  let openOutput: OpenOutput | undefined;
  return (options) => {
    if (!openOutput) journal.useConsole(openSync(`/proc/self/fd/${STANDARD_OUTPUT}`, "w"));
    openOutput ??= standardPipes(native);
    return new ProgramWorker(options, { openOutput });
  };
}

/** Names and network, where they are not set yet. */
async function prepareMachine(
  native: NativeLibrary,
  { hostname, network }: InstanceDocument,
): Promise<void> {
  writeFileSync("/proc/sys/kernel/hostname", hostname);
  writeHosts(hostname);
  try {
    await configureNetwork(networkInterfaces(native), network, hostname);
  } catch (error) {
    notice("error", `the network is not up: ${error instanceof Error ? error.message : error}`);
  }
  writeFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
}

/** IFF_UP, the lowest bit (include/uapi/linux/if.h), of the card that the starter has set up. */
function isNetworkUp(): boolean {
  return (Number(readProc("/sys/class/net/eth0/flags")) & 1) === 1;
}

function writeHosts(hostname: string): void {
  writeFileSync("/etc/hosts", hostsFile(hostname));
}

/**
 * A listener on the agent's port that turns everybody away until the REST server takes its place.
 *
 * @param isOpen whether it was inherited
 */
async function listenEarly(isOpen: boolean): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  const listen = async (where: ListenOptions & { readonly fd?: number }): Promise<void> =>
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(where, resolve);
    });
  // With a host, Node would load its resolver first, 3,000 translated blocks of a cold start.
  const fresh = { port: AGENT_PORT };
  if (isOpen) await listen({ fd: STARTED_FD.listener }).catch(async () => await listen(fresh));
  else await listen(fresh);
  return server;
}

function readInstanceDocument(): InstanceDocument {
  const path = `/sys/firmware/qemu_fw_cfg/by_name/${INSTANCE_DOCUMENT_FW_CFG}/raw`;
  try {
    const parsed: InstanceDocument = JSON.parse(readFileSync(path, "utf8"));
    if (parsed.version !== 1) throw new Error(`its version is ${parsed.version}, not 1`);
    return parsed;
  } catch (error) {
    return fail("the host gave no usable instance document", error);
  }
}

function readSocketTables(): SocketTables {
  return {
    tcp: readFileSync("/proc/net/tcp", "latin1"),
    tcp6: readProc("/proc/net/tcp6"),
    udp: readFileSync("/proc/net/udp", "latin1"),
    udp6: readProc("/proc/net/udp6"),
  };
}

/** How many sockets there are; much shorter than the tables. */
function socketCounts(): string {
  return readProc("/proc/net/sockstat") + readProc("/proc/net/sockstat6");
}

function isNotAgents({ port, protocol }: ProgramPort): boolean {
  return port !== AGENT_PORT || protocol !== "tcp";
}

/** A file of /proc that a kernel without IPv6 does not have. */
function readProc(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

function readMemory(): { totalMib: number; availableMib: number } {
  const text = readFileSync("/proc/meminfo", "latin1");
  // No regular expression: V8 would compile it, in every cold start before the program.
  const mib = (name: string): number =>
    Number.parseInt(text.slice(text.indexOf(`${name}:`) + name.length + 1), 10) / 1024;
  return { totalMib: mib("MemTotal"), availableMib: mib("MemAvailable") };
}
