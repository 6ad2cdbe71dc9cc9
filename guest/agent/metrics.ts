/** /v1/metrics: Prometheus text format 0.0.4 (prometheus.io, "Exposition formats"). */
import type { ProgramState } from "../api/program.ts";
import type { Agent, Operations } from "./operation.ts";
import { Procfs } from "./procfs.ts";
import { readStats } from "./stats.ts";

const STATES: readonly ProgramState[] = ["starting", "running", "backoff", "exited"];

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [value: number, labels?: Labels];

export function metricsOperations(agent: Agent): Operations<"metrics"> {
  return {
    metrics: async () => ({
      contentType: "text/plain; version=0.0.4; charset=utf-8",
      body: metricsText(agent, await eventLoopLagSeconds()),
    }),
  };
}

function metricsText(agent: Agent, lagSeconds: number): string {
  const procfs = new Procfs(agent.system.procRoot);
  const stats = readStats(agent);
  const status = agent.program.status();
  const { program } = stats;
  const interfaces = procfs.interfaces();
  const perInterface = (pick: (one: (typeof interfaces)[number]) => number): Sample[] =>
    interfaces.map((one) => [pick(one), { interface: one.name }]);
  const seconds = (nanoseconds: number): number => nanoseconds / 1e9;
  return [
    metric("uptime_seconds", "gauge", "Since the kernel started", [[procfs.uptimeSeconds()]]),
    metric("cpu_count", "gauge", "vCPUs", [[stats.cpu.count]]),
    metric("cpu_seconds_total", "counter", "Time of all vCPUs", [
      [seconds(stats.cpu.busyNs), { mode: "busy" }],
      [seconds(stats.cpu.idleNs), { mode: "idle" }],
      [seconds(stats.cpu.stealNs), { mode: "steal" }],
    ]),
    metric("load1", "gauge", "Load average over one minute", [[stats.cpu.load[0] ?? 0]]),
    metric("memory_total_bytes", "gauge", "Usable memory", [[stats.memory.totalBytes]]),
    metric("memory_available_bytes", "gauge", "Memory still to be had", [
      [stats.memory.availableBytes],
    ]),
    metric(
      "network_receive_bytes_total",
      "counter",
      "Received",
      perInterface((one) => one.rxBytes),
    ),
    metric(
      "network_transmit_bytes_total",
      "counter",
      "Sent",
      perInterface((one) => one.txBytes),
    ),
    metric("block_read_bytes_total", "counter", "Read from disks", [[stats.block.readBytes]]),
    metric("block_written_bytes_total", "counter", "Written to disks", [
      [stats.block.writtenBytes],
    ]),
    metric("processes", "gauge", "Processes without kernel threads", [[stats.pids]]),
    metric(
      "program_state",
      "gauge",
      "1 for the state the program is in",
      STATES.map((state) => [status.state === state ? 1 : 0, { state }]),
    ),
    metric("program_ready", "gauge", "Whether the program is ready", [[status.ready ? 1 : 0]]),
    metric("program_restarts_total", "counter", "Restarts by policy", [[status.restarts]]),
    metric("program_cpu_seconds_total", "counter", "CPU time of the program's first process", [
      [seconds(program?.cpuNs ?? 0)],
    ]),
    metric("program_memory_bytes", "gauge", "Resident memory of the program's first process", [
      [program?.memoryBytes ?? 0],
    ]),
    metric("log_dropped_records_total", "counter", "Output that made room for newer output", [
      [agent.logs.droppedRecords],
    ]),
    metric("agent_memory_bytes", "gauge", "Resident memory of the agent", [
      [procfs.processUse(process.pid)?.memoryBytes ?? 0],
    ]),
    metric(
      "agent_event_loop_lag_seconds",
      "gauge",
      "Wait of a job the agent gave itself just now",
      [[lagSeconds]],
    ),
  ].join("");
}

/** One family; Prometheus wants its help and type once, before its samples. */
export function metric(
  name: string,
  type: "gauge" | "counter",
  help: string,
  samples: readonly Sample[],
): string {
  const full = `windlass_${name}`;
  const lines = samples.map(([value, labels]) => `${full}${labelText(labels)} ${value}\n`);
  return `# HELP ${full} ${help}\n# TYPE ${full} ${type}\n${lines.join("")}`;
}

function labelText(labels: Labels | undefined): string {
  if (labels === undefined) return "";
  const pairs = Object.entries(labels).map(([name, value]) => {
    const escaped = value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
    return `${name}="${escaped}"`;
  });
  return `{${pairs.join(",")}}`;
}

/** Measured when asked: a sampling timer would keep an idle machine awake. */
async function eventLoopLagSeconds(): Promise<number> {
  const start = performance.now();
  await new Promise<void>((resolve) => {
    setImmediate(resolve);
  });
  return (performance.now() - start) / 1000;
}
