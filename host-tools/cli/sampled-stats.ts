/** What an instance uses: the guest's counters and QEMU's, and the rates between two samples. */
import { readFile } from "node:fs/promises";
import type { Stats } from "../../guest/api/stats.ts";
import type { GuestClient } from "../guest-client/guest-client.ts";

/** USER_HZ: what /proc shows times in on every Linux of today's architectures (proc(5)). */
const TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4096;
const NS_PER_MS = 1_000_000;

export interface Sample {
  /** The host's monotonic clock, in milliseconds. */
  readonly atMs: number;
  readonly guest: Stats;
  /** Of the QEMU process. */
  readonly hostCpuMs: number;
  readonly hostMemoryBytes: number;
}

/** One JSON record of `windlass stats --json`: members are only added. */
export interface StatsView {
  readonly id: string;
  readonly name: string;
  /** 1 is one vCPU, all the time. */
  readonly cpu: number;
  readonly vcpuCount: number;
  readonly memoryUsedBytes: number;
  readonly memoryTotalBytes: number;
  readonly rxBytes: number;
  readonly txBytes: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly pids: number;
  /** QEMU's: 1 is one CPU of the host. */
  readonly hostCpu: number;
  readonly hostMemoryBytes: number;
}

/** @throws {HostError} when the agent does not answer; {Error} ENOENT when QEMU has ended */
export async function takeSample(
  client: GuestClient,
  pid: number,
  signal: AbortSignal,
): Promise<Sample> {
  const [guest, stat, statm] = await Promise.all([
    client.call("stats", {}, { signal }),
    readFile(`/proc/${pid}/stat`, "utf8"),
    readFile(`/proc/${pid}/statm`, "utf8"),
  ]);
  return { atMs: performance.now(), guest, ...processUse(stat, statm) };
}

/** From /proc/PID/stat (fields 14 and 15, after the name) and /proc/PID/statm (field 2). Pure. */
export function processUse(
  stat: string,
  statm: string,
): Pick<Sample, "hostCpuMs" | "hostMemoryBytes"> {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[14 - 3]) + Number(fields[15 - 3]);
  return {
    hostCpuMs: (ticks * 1000) / TICKS_PER_SECOND,
    hostMemoryBytes: Number(statm.split(" ")[1]) * PAGE_BYTES,
  };
}

/** What happened between two samples, as rates. Pure. */
export function statsBetween(
  instance: { readonly id: string; readonly name: string },
  before: Sample,
  after: Sample,
): StatsView {
  const { cpu, memory, network, block, pids, timeMs } = after.guest;
  // Counters of the guest by the guest's clock: an emulated one can run late.
  const guestMs = Math.max(1, timeMs - before.guest.timeMs);
  const hostMs = Math.max(1, after.atMs - before.atMs);
  const busyMs = (cpu.busyNs - before.guest.cpu.busyNs) / NS_PER_MS;
  return {
    ...instance,
    cpu: Math.min(cpu.count, Math.max(0, busyMs / guestMs)),
    vcpuCount: cpu.count,
    memoryUsedBytes: memory.usedBytes,
    memoryTotalBytes: memory.totalBytes,
    rxBytes: network.rxBytes,
    txBytes: network.txBytes,
    readBytes: block.readBytes,
    writtenBytes: block.writtenBytes,
    pids,
    hostCpu: Math.max(0, (after.hostCpuMs - before.hostCpuMs) / hostMs),
    hostMemoryBytes: after.hostMemoryBytes,
  };
}
