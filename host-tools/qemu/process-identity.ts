/**
 * Which process is meant, beyond its number: process ids are used again, start times and boots are
 * not. A record of an identity stays right after kill -9 of anything and after a reboot.
 */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";

export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, in clock ticks since the boot (field 22 of /proc/PID/stat, proc(5)). */
  readonly startTicks: number;
  /** /proc/sys/kernel/random/boot_id. */
  readonly bootId: string;
}

/** How often a process that is not our child is looked at; there is no event for its end. */
export const PROCESS_POLL_INTERVAL_MS = 20;

/** What /proc/PID/stat says. Pure. */
export function parseProcessStat(stat: string): { state: string; startTicks: number } {
  // Field 2, the name, stands in parentheses and may hold anything, parentheses included.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state = ""] = fields;
  const startTicks = Number(fields[22 - 3]);
  if (state === "" || !Number.isSafeInteger(startTicks)) {
    throw new TypeError(`not the text of a /proc/PID/stat: ${JSON.stringify(stat.slice(0, 80))}`);
  }
  return { state, startTicks };
}

const BOOT_ID_PATH = "/proc/sys/kernel/random/boot_id";

export async function readBootId(): Promise<string> {
  return (await readFile(BOOT_ID_PATH, "utf8")).trim();
}

/**
 * The identity of a child of ours, to be asked in the turn that started it: until the event loop goes
 * round nobody reaps the child, so it has its number even if it has ended already.
 */
export function identifyChild(pid: number): ProcessIdentity {
  const { startTicks } = parseProcessStat(readFileSync(`/proc/${pid}/stat`, "utf8"));
  return { pid, startTicks, bootId: readFileSync(BOOT_ID_PATH, "utf8").trim() };
}

/** The identity of a running process; undefined when it has ended (a zombie has ended). */
export async function identifyProcess(pid: number): Promise<ProcessIdentity | undefined> {
  const status = await readStat(pid);
  if (!status || hasEnded(status.state)) return undefined;
  return { pid, startTicks: status.startTicks, bootId: await readBootId() };
}

/** Whether exactly that process still runs. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  const [status, bootId] = await Promise.all([readStat(identity.pid), readBootId()]);
  return (
    status !== undefined &&
    !hasEnded(status.state) &&
    status.startTicks === identity.startTicks &&
    bootId === identity.bootId
  );
}

/**
 * Waits until the process has ended, by looking every 20 ms; for a process that is not our child.
 *
 * @throws the signal's reason
 */
export async function waitForExit(
  identity: ProcessIdentity,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  signal?.throwIfAborted();
  while (await isAlive(identity)) {
    try {
      await delay(PROCESS_POLL_INTERVAL_MS, undefined, signal ? { signal } : {});
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    }
  }
}

/**
 * Sends a signal, if exactly that process still runs. Between the look and the signal the process
 * could end and its number be given away; that takes the kernel a full round through all numbers.
 *
 * @returns whether it was sent
 * @throws {Error} EPERM when the process belongs to somebody else
 */
export async function signalProcess(
  identity: ProcessIdentity,
  name: NodeJS.Signals,
): Promise<boolean> {
  if (!(await isAlive(identity))) return false;
  try {
    return process.kill(identity.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

async function readStat(pid: number): Promise<ReturnType<typeof parseProcessStat> | undefined> {
  try {
    return parseProcessStat(await readFile(`/proc/${pid}/stat`, "utf8"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // ESRCH: the process ended between the opening and the reading.
    if (code === "ENOENT" || code === "ESRCH") return undefined;
    throw error;
  }
}

/** Zombies (Z) and the dead (X) hold no memory, socket, port or lock any more. */
function hasEnded(state: string): boolean {
  return state === "Z" || state === "X" || state === "x";
}
