/** /v1/stats: counters since boot. */
import { availableParallelism } from "node:os";
import type { Stats } from "../api/stats.ts";
import type { Agent, Operations } from "./operation.ts";
import { Procfs } from "./procfs.ts";

/** Parent of every kernel thread. */
const KTHREADD = 2;

export function statsOperations(agent: Agent): Operations<"stats"> {
  return { stats: () => readStats(agent) };
}

/** Used by /v1/metrics too: the two never disagree. */
export function readStats({ system, program }: Agent): Stats {
  const procfs = new Procfs(system.procRoot);
  const { totalBytes, availableBytes } = procfs.memory();
  const network = { rxBytes: 0, rxPackets: 0, txBytes: 0, txPackets: 0 };
  for (const one of procfs.interfaces()) {
    if (one.name === "lo") continue;
    network.rxBytes += one.rxBytes;
    network.rxPackets += one.rxPackets;
    network.txBytes += one.txBytes;
    network.txPackets += one.txPackets;
  }
  const { pid } = program.status();
  return {
    timeMs: Date.now(),
    cpu: { count: availableParallelism(), ...procfs.cpuTimes(), load: procfs.loadAverages() },
    memory: { totalBytes, availableBytes, usedBytes: totalBytes - availableBytes },
    network,
    block: procfs.block(),
    pids: procfs.processIds().filter((id) => isProcess(procfs, id)).length,
    program: (pid === null ? undefined : procfs.processUse(pid)) ?? null,
  };
}

function isProcess(procfs: Procfs, id: number): boolean {
  return id !== KTHREADD && procfs.processStat(String(id))?.parent !== KTHREADD;
}
