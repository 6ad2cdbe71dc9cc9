/**
 * What one QEMU takes of this host's memory, from /proc/PID/smaps_rollup and /proc/PID/status (proc(5)).
 *
 * Private is what the host would get back if that one process ended: its `Anonymous` pages. A clone maps its
 * template's memory file private, so a page that it wrote is an anonymous copy, and one that it only read is
 * the file's page cache, which all clones share. The kernel's own Private_Dirty does not tell the two
 * apart: page cache that has not been written back yet and that a single process maps counts as its
 * dirty private memory, and does not go when the process goes.
 */
import { readFile } from "node:fs/promises";

export interface ProcessMemory {
  readonly privateMib: number;
  /** Page cache by the share of each process that maps it. */
  readonly pssMib: number;
  readonly rssMib: number;
  /** The kernel's, for the process alone; in none of the others. */
  readonly pageTablesMib: number;
}

export async function readProcessMemory(pid: number): Promise<ProcessMemory> {
  const [rollup, status] = await Promise.all(
    ["smaps_rollup", "status"].map((name) => readFile(`/proc/${pid}/${name}`, "utf8")),
  );
  return processMemory(rollup ?? "", status ?? "");
}

/** @throws {RangeError} when a field is not there */
export function processMemory(rollup: string, status: string): ProcessMemory {
  return {
    privateMib: fieldMib(rollup, "Anonymous"),
    pssMib: fieldMib(rollup, "Pss"),
    rssMib: fieldMib(rollup, "Rss"),
    pageTablesMib: fieldMib(status, "VmPTE"),
  };
}

function fieldMib(text: string, name: string): number {
  const value = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1];
  if (value === undefined) throw new RangeError(`there is no ${name}`);
  return Number(value) / 1024;
}

/** Linux's USER_HZ: the unit of CPU times in /proc/PID/stat (proc(5)). */
const TICK_MS = 10;

/** @returns milliseconds of CPU that a process has used so far, in user and kernel mode */
export async function readCpuMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // The second field is the name, which may hold anything; utime and stime are the fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}
