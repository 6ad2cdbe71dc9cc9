/** An agent over a made-up machine in a temporary folder. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { FastifyInstance } from "fastify";
import { type AgentOptions, createAgent } from "../../../../guest/agent/agent.ts";
import type { GuestSystem, ProgramControl } from "../../../../guest/agent/guest-system.ts";
import { LogBuffer } from "../../../../guest/agent/log-buffer.ts";
import type { ProgramStatus } from "../../../../guest/api/program.ts";

export const ADMIN = "admin-token";
export const MONITOR = "monitor-token";
export const asAdmin = { authorization: `Bearer ${ADMIN}` };
export const asMonitor = { authorization: `Bearer ${MONITOR}` };

/** Sends a path as it is written; `inject` would resolve `..` as a browser does. */
export async function rawStatus(
  app: FastifyInstance,
  method: string,
  path: string,
): Promise<number> {
  if (!app.server.listening) await app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const sent = request({ host: "127.0.0.1", port, method, path, headers: asAdmin, agent: false });
  sent.end();
  const [reply] = (await once(sent, "response")) as [IncomingMessage];
  reply.resume();
  return reply.statusCode ?? 0;
}

/** What was asked of the machine and the program. */
export interface Happened {
  readonly power: string[];
  readonly signals: string[];
  readonly stdin: string[];
  hostname: string;
  restarts: number;
  macAddress?: string;
  /** In hex. */
  entropy?: string;
  advancedMs: number;
}

export interface TestAgent extends AsyncDisposable {
  readonly app: FastifyInstance;
  readonly options: AgentOptions;
  readonly happened: Happened;
  /** Temporary folder, for files and archives. */
  readonly folder: string;
  /** Changes what the program's status says. */
  status(change: Partial<ProgramStatus>): void;
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

export async function testAgent(overrides: Partial<GuestSystem> = {}): Promise<TestAgent> {
  const folder = await mkdtemp(join(tmpdir(), "windlass-agent-"));
  await writeFixtures(folder);
  const happened: Happened = {
    power: [],
    signals: [],
    stdin: [],
    hostname: "box",
    restarts: 0,
    advancedMs: 0,
  };
  let status: ProgramStatus = { ...RUNNING };
  const program: ProgramControl = {
    status: () => status,
    pid: () => status.pid,
    restart: async () => {
      happened.restarts += 1;
    },
    stop: async () => {
      status = { ...status, state: "exited", signal: "SIGTERM" };
    },
    signal(signal) {
      if (status.state !== "running") return false;
      happened.signals.push(signal);
      return true;
    },
    writeStdin: async (chunk, { end }) => {
      if (status.state !== "running") throw new Error("it has ended");
      happened.stdin.push(`${chunk.toString()}${end ? "<end>" : ""}`);
    },
  };
  const system: GuestSystem = {
    procRoot: join(folder, "proc"),
    sysRoot: join(folder, "sys"),
    hostname: () => happened.hostname,
    setHostname: (name) => {
      happened.hostname = name;
    },
    setMacAddress: (address) => {
      happened.macAddress = address;
    },
    reseed: (entropy) => {
      happened.entropy = Buffer.from(entropy).toString("hex");
    },
    advanceClock: (milliseconds) => {
      happened.advancedMs += milliseconds;
    },
    dmesg: () => "[    0.000000] Hypervisor detected: KVM\n[    0.100000] hello\n",
    poweroff: () => {
      happened.power.push("poweroff");
    },
    reboot: () => {
      happened.power.push("reboot");
    },
    resolveUser: (user) => {
      if (user !== "me") throw new Error(`there is no user "${user}"`);
      return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, home: "/home/me" };
    },
    ...overrides,
  };
  const options: AgentOptions = {
    tokens: [
      { role: "admin", sha256: sha256(ADMIN) },
      { role: "monitor", sha256: sha256(MONITOR) },
    ],
    system,
    program,
    logs: new LogBuffer(),
    environment: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", SECRET: "s3cret" },
    workdir: folder,
    instance: { id: "0123456789ab", name: "test" },
    version: "0.1.0",
    platform: "linux",
  };
  const app = await createAgent(options);
  return {
    app,
    options,
    happened,
    folder,
    status(change) {
      status = { ...status, ...change };
    },
    async [Symbol.asyncDispose]() {
      await app.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const RUNNING: ProgramStatus = {
  state: "running",
  pid: 42,
  exitCode: null,
  signal: null,
  reason: null,
  restarts: 0,
  startedAt: "2026-01-01T00:00:00.000Z",
  finishedAt: null,
  listening: [{ port: 8080, protocol: "tcp" }],
  ready: true,
  health: "none",
  argv: ["/usr/bin/node", "server.js"],
  workdir: "/app",
  user: "0:0",
  parent: null,
};

const stat = (id: number, name: string, parent: number): string =>
  `${id} (${name}) S ${parent} ${id} ${id} 0 -1 4194560 1 2 3 4 150 50 7 8 20 0 1 0 5 ` +
  "1000000 256 18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n";

/** Texts as Linux 6.1 prints them, shortened. */
async function writeFixtures(folder: string): Promise<void> {
  const files: Record<string, string> = {
    "proc/uptime": "12.34 20.00\n",
    "proc/cmdline": "console=hvc0 root=/dev/vda quiet\n",
    "proc/meminfo":
      "MemTotal:         250000 kB\nMemFree:          100000 kB\nMemAvailable:     150000 kB\n",
    "proc/stat": "cpu  100 1 50 1000 10 2 3 4 0 0\ncpu0 100 1 50 1000 10 2 3 4 0 0\nintr 1\n",
    "proc/loadavg": "0.10 0.20 0.30 1/60 99\n",
    "proc/mounts": `proc /proc proc rw 0 0\n/dev/vda ${folder} erofs ro,relatime 0 0\n`,
    "proc/cpuinfo":
      "processor\t: 0\nflags\t\t: fpu vme hypervisor\n\nprocessor\t: 1\nflags\t\t: fpu vme hypervisor\n\n",
    "proc/diskstats":
      "   8       0 sda 10 0 100 5 20 0 200 6 0 7 8\n   8       1 sda1 10 0 100 5 20 0 200 6 0 7 8\n",
    "proc/net/dev":
      "Inter-|   Receive                                                |  Transmit\n" +
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n" +
      "    lo:    1000      10    0    0    0     0          0         0     1000      10    0    0    0     0       0          0\n" +
      "  eth0: 5000 50 1 2 0 0 0 3 6000 60 4 0 0 5 0 0\n",
    "proc/net/route":
      "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" +
      "eth0\t00000000\t0202000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n" +
      "eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n",
    "proc/net/ipv6_route":
      "fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n",
    "proc/2/stat": stat(2, "kthreadd", 0),
    "proc/2/task/2/stat": stat(2, "kthreadd", 0),
    "proc/3/stat": stat(3, "ksoftirqd/0", 2),
    "proc/42/stat": stat(42, "node (a) b", 1),
    "proc/42/task/42/stat": stat(42, "node (a) b", 1),
    "proc/42/task/42/status":
      "Name:\tnode\nVmStk:\t     132 kB\nvoluntary_ctxt_switches:\t30\nnonvoluntary_ctxt_switches:\t12\n",
    "sys/class/dmi/id/bios_vendor": "SeaBIOS\n",
    "sys/class/dmi/id/sys_vendor": "QEMU\n",
    "sys/class/net/eth0/flags": "0x1003\n",
    "sys/class/net/eth0/mtu": "1500\n",
    "sys/class/net/eth0/address": "52:54:00:12:34:56\n",
  };
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
}
