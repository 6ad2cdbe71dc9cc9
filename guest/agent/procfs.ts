/**
 * What Linux tells about the machine in /proc. Reads are synchronous: the kernel makes these texts up
 * on the spot and never blocks, so a trip through the thread pool would only cost time.
 * Layouts: proc(5), Documentation/filesystems/proc.rst, Documentation/admin-guide/iostats.rst.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A tick of /proc's CPU times: USER_HZ is 100 on x86. */
const TICK_NS = 10_000_000;
export const TICK_MS = 10;
/** /proc/diskstats counts in these, whatever the disk's own block is. */
const SECTOR_BYTES = 512;
const PAGE_BYTES = 4096;

export interface Memory {
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** Free, or to be had without swapping. */
  readonly availableBytes: number;
}

export interface CpuTimes {
  readonly busyNs: number;
  readonly idleNs: number;
  readonly stealNs: number;
}

export interface InterfaceCounters {
  readonly name: string;
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly rxErrors: number;
  readonly rxDropped: number;
  readonly rxMulticast: number;
  readonly txBytes: number;
  readonly txPackets: number;
  readonly txErrors: number;
  readonly txCollisions: number;
}

/** Fields of /proc/PID/stat; see proc_pid_stat(5). */
export interface ProcessStat {
  readonly id: number;
  readonly name: string;
  /** One letter: R running, S sleeping, D waiting for a disk, Z zombie, ... */
  readonly state: string;
  readonly parent: number;
  readonly cpuTicks: number;
  readonly priority: number;
  readonly residentBytes: number;
  readonly cpu: number;
}

export class Procfs {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** @param path below /proc @throws when it cannot be read */
  text(path: string): string {
    return readFileSync(join(this.#root, path), "utf8");
  }

  /** Like `text`, empty when there is nothing to read: a process may end at any time. */
  textIfAny(path: string): string {
    try {
      return this.text(path);
    } catch {
      return "";
    }
  }

  uptimeSeconds(): number {
    return Number.parseFloat(this.text("uptime"));
  }

  memory(): Memory {
    const text = this.text("meminfo");
    const bytes = (name: string): number =>
      Number(new RegExp(`^${name}: +(\\d+) kB`, "m").exec(text)?.[1] ?? 0) * 1024;
    return {
      totalBytes: bytes("MemTotal"),
      freeBytes: bytes("MemFree"),
      availableBytes: bytes("MemAvailable"),
    };
  }

  cpuTimes(): CpuTimes {
    const line = /^cpu +(.*)$/m.exec(this.text("stat"))?.[1] ?? "";
    const ticks = line.split(" ").map(Number);
    const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] =
      ticks;
    return {
      busyNs: (user + nice + system + irq + softirq) * TICK_NS,
      idleNs: (idle + iowait) * TICK_NS,
      stealNs: steal * TICK_NS,
    };
  }

  /** Over 1, 5 and 15 minutes. */
  loadAverages(): number[] {
    return this.text("loadavg").split(" ").slice(0, 3).map(Number);
  }

  interfaces(): InterfaceCounters[] {
    const lines = this.text("net/dev").trim().split("\n").slice(2);
    return lines.map((line) => {
      const [name = "", numbers = ""] = line.split(":");
      const at = numbers.trim().split(/ +/).map(Number);
      const column = (index: number): number => at[index] ?? 0;
      return {
        name: name.trim(),
        rxBytes: column(0),
        rxPackets: column(1),
        rxErrors: column(2),
        rxDropped: column(3),
        rxMulticast: column(7),
        txBytes: column(8),
        txPackets: column(9),
        txErrors: column(10),
        txCollisions: column(13),
      };
    });
  }

  /** Whole disks only: a partition's traffic is in its disk's already. */
  block(): { readBytes: number; writtenBytes: number } {
    let readBytes = 0;
    let writtenBytes = 0;
    for (const line of this.textIfAny("diskstats").trim().split("\n")) {
      const field = line.trim().split(/ +/);
      if (!/^(vd|sd|hd|xvd)[a-z]+$|^(nvme\d+n\d+|pmem\d+)$/.test(field[2] ?? "")) continue;
      readBytes += Number(field[5] ?? 0) * SECTOR_BYTES;
      writtenBytes += Number(field[9] ?? 0) * SECTOR_BYTES;
    }
    return { readBytes, writtenBytes };
  }

  processIds(): number[] {
    return numericNames(this.#root);
  }

  threadIds(processId: number): number[] {
    return numericNames(join(this.#root, String(processId), "task"));
  }

  /** @param path of the folder of a process or thread below /proc @returns undefined once it ended */
  processStat(path: string): ProcessStat | undefined {
    const text = this.textIfAny(join(path, "stat"));
    // The name may hold anything, blanks and parentheses too; the last parenthesis ends it.
    const open = text.indexOf("(");
    const close = text.lastIndexOf(")");
    if (open < 0 || close < open) return undefined;
    const field = text.slice(close + 2).split(" ");
    const number = (position: number): number => Number(field[position - 3] ?? 0);
    return {
      id: Number.parseInt(text, 10),
      name: text.slice(open + 1, close),
      state: field[0] ?? "",
      parent: number(4),
      cpuTicks: number(14) + number(15),
      priority: number(18),
      residentBytes: number(24) * PAGE_BYTES,
      cpu: number(39),
    };
  }

  /** CPU time and resident memory of one process; undefined once it ended. */
  processUse(processId: number): { cpuNs: number; memoryBytes: number } | undefined {
    const stat = this.processStat(String(processId));
    return stat && { cpuNs: stat.cpuTicks * TICK_NS, memoryBytes: stat.residentBytes };
  }
}

function numericNames(folder: string): number[] {
  try {
    return readdirSync(folder)
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .sort((a, b) => a - b);
  } catch {
    return [];
  }
}
