/**
 * /os. The name is that of the kernel that runs, "Linux" or "OSv": a client that asks wants to know
 * where it is, and a guest that runs Linux must not say that it is OSv.
 */
import { release } from "node:os";
import type { Thread, Threads } from "../api/os.ts";
import { AgentError } from "./agent-error.ts";
import type { Agent, Operations } from "./operation.ts";
import { Procfs, TICK_MS } from "./procfs.ts";

const VENDOR = "Windlass";

export function osOperations({ system, platform }: Agent): Operations<"os"> {
  const procfs = new Procfs(system.procRoot);
  const name = platform === "osv" ? "OSv" : "Linux";
  const version = release();
  return {
    osName: () => name,
    osVersion: () => version,
    osVendor: () => VENDOR,
    osUptime: () => Math.floor(procfs.uptimeSeconds()),
    osDate: () => formatDate(new Date()),
    osMemoryTotal: () => procfs.memory().totalBytes,
    osMemoryFree: () => procfs.memory().availableBytes,
    osMemoryBalloon: () => 0,
    // The reply leaves first: a client can tell an accepted power-off from a broken connection.
    osPoweroff: (_args, call) => {
      call.afterReply(() => system.poweroff());
      return "";
    },
    osShutdown: (_args, call) => {
      call.afterReply(() => system.poweroff());
      return "";
    },
    osReboot: (_args, call) => {
      call.afterReply(() => system.reboot());
      return "";
    },
    osDmesg: () => system.dmesg(),
    osHostname: () => system.hostname(),
    osSetHostname: ({ query }) => {
      system.setHostname(query.name);
      return "";
    },
    osThreads: () => threads(procfs),
    osCmdline: () => procfs.text("cmdline").trimEnd(),
    osSetCmdline: () => {
      throw new AgentError(
        "WL_AGENT_UNSUPPORTED",
        "The kernel command line belongs to the host: set it when the instance is started",
      );
    },
  };
}

/** strftime's `%a %b %d %H:%M:%S %Z %Y`, OSv's TIME_FORMAT; the guest's clock is UTC. */
export function formatDate(date: Date): string {
  const [day, number, month, year, time] = date.toUTCString().replace(",", "").split(" ");
  return `${day} ${month} ${number} ${time} UTC ${year}`;
}

function threads(procfs: Procfs): Threads {
  const list: Thread[] = [];
  for (const processId of procfs.processIds()) {
    for (const threadId of procfs.threadIds(processId)) {
      const thread = oneThread(procfs, `${processId}/task/${threadId}`);
      if (thread) list.push(thread);
    }
  }
  return { time_ms: Date.now(), list };
}

/** @returns undefined when the thread ended meanwhile */
function oneThread(procfs: Procfs, path: string): Thread | undefined {
  const stat = procfs.processStat(path);
  if (stat === undefined) return undefined;
  const status = procfs.textIfAny(`${path}/status`);
  const number = (key: string): number =>
    Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
  const preemptions = number("nonvoluntary_ctxt_switches");
  const migrations = /^se\.nr_migrations\s*:\s*(\d+)/m.exec(procfs.textIfAny(`${path}/sched`))?.[1];
  return {
    id: stat.id,
    status: threadStatus(stat.state),
    cpu: stat.cpu,
    cpu_ms: stat.cpuTicks * TICK_MS,
    switches: number("voluntary_ctxt_switches") + preemptions,
    migrations: Number(migrations ?? 0),
    preemptions,
    name: stat.name,
    priority: stat.priority,
    stack_size: number("VmStk") * 1024,
  };
}

function threadStatus(state: string): Thread["status"] {
  switch (state) {
    case "R":
      return "running";
    case "Z":
      return "terminating";
    case "X":
      return "terminated";
    default:
      return "waiting";
  }
}
