/**
 * What a machine passed on its way up, put on one time line. This host tells its own marks
 * (LaunchTiming); the guest tells its in uptime: kernel log, process table, journal. A guest's wall clock is
 * only good to a second at that time (the RTC's), so uptime is tied to this host's clock by the arrival
 * of the journal's records.
 *
 * | phase     | from the mark before it until |
 * |-----------|-------------------------------|
 * | prepare   | QEMU is executed: ports, files, a look for a template |
 * | qemu      | its monitor answers |
 * | firmware  | the guest's clock begins, early in the kernel |
 * | kernel    | the first stage runs |
 * | init      | the agent's process is executed, or the program at once: modules, mounts and /init |
 * | boot      | the agent's code runs, or the program: stands for kernel and init where the guest cannot be asked |
 * | agent     | the program is executed: Node's start, network; absent when the starter did it (guest/api/starter.ts) |
 * | program   | it listens and is healthy |
 * | rest-api  | the agent's REST API listens; what it still has to do when the program listens |
 * | load      | the state of a clone is loaded and it goes on |
 * | wake      | program and agent of a clone are awake |
 * | answer    | the agent's first answer has come to this host |
 */
import type { PhaseRecord } from "../../guest/api/journal.ts";
import type { LaunchTiming } from "./instance-record.ts";

export type BootPhase =
  | "prepare"
  | "qemu"
  | "firmware"
  | "kernel"
  | "init"
  | "boot"
  | "agent"
  | "program"
  | "rest-api"
  | "load"
  | "wake"
  | "answer";

/** In milliseconds from the begin of the start. */
export interface BootSpan {
  readonly phase: BootPhase;
  readonly beginMs: number;
  readonly endMs: number;
}

/** A phase record of the journal, and when it was seen here. */
export interface PhaseArrival {
  readonly phase: PhaseRecord["phase"];
  readonly uptimeMs: number;
  /** This host's clock, Unix time in milliseconds. */
  readonly arrivedAtMs: number;
}

/** What the guest's kernel remembers, in milliseconds of its uptime. */
export interface GuestMarks {
  readonly firstStageMs: number;
  readonly agentMs: number;
}

export interface BootFacts {
  readonly timing: LaunchTiming;
  readonly arrivals: readonly PhaseArrival[];
  /** Absent when the guest could not be asked. */
  readonly guest?: GuestMarks | undefined;
  /** When the agent's first answer came, Unix time in milliseconds. */
  readonly answeredAtMs?: number | undefined;
}

/** Linux's USER_HZ: the unit of start times in /proc/PID/stat (proc(5)). */
const TICK_MS = 10;

/**
 * @param kernelLog as dmesg prints it
 * @param agentStat /proc/PID/stat of the agent
 * @returns undefined when one of the two does not tell
 */
export function guestMarks(kernelLog: string, agentStat: string): GuestMarks | undefined {
  const runInit = /\[ *([0-9.]+)\] Run \/init as init process/.exec(kernelLog)?.[1];
  // The second field is the name, which may hold anything; starttime is field 22.
  const fields = agentStat.slice(agentStat.lastIndexOf(")") + 2).split(" ");
  const marks = { firstStageMs: Number(runInit) * 1000, agentMs: Number(fields[19]) * TICK_MS };
  return Number.isFinite(marks.firstStageMs + marks.agentMs) ? marks : undefined;
}

/** The time line of a start, in the order of their begins. */
export function bootSpans({ timing, arrivals, guest, answeredAtMs }: BootFacts): BootSpan[] {
  const { beganAtMs, executedMs, monitorMs, loadedMs } = timing;
  const arrival = (phase: PhaseRecord["phase"]): number | undefined => {
    const atMs = arrivals.find((one) => one.phase === phase)?.arrivedAtMs;
    return atMs === undefined ? undefined : atMs - beganAtMs;
  };
  const line = new TimeLine();
  line.add("prepare", executedMs);
  line.add("qemu", monitorMs);
  if (loadedMs !== undefined) {
    line.add("load", loadedMs);
    line.add("wake", arrival("woken"));
  } else {
    const zeroMs = clockZero(arrivals);
    const uptime = (ms: number | undefined): number | undefined =>
      ms === undefined || zeroMs === undefined ? undefined : zeroMs - beganAtMs + ms;
    const reported = (phase: PhaseRecord["phase"]): number | undefined =>
      uptime(arrivals.find((one) => one.phase === phase)?.uptimeMs);
    line.add("firmware", uptime(0));
    line.add("kernel", uptime(guest?.firstStageMs));
    const startedMs = reported("program-started");
    const agentCodeMs = reported("init");
    // Then nothing of the agent came before the program.
    const isEarly = startedMs !== undefined && startedMs < (agentCodeMs ?? 0);
    if (guest) line.add("init", isEarly ? startedMs : uptime(guest.agentMs));
    else line.add("boot", isEarly ? startedMs : agentCodeMs);
    if (!isEarly) line.add("agent", startedMs);
    const listeningMs = reported("program-listening");
    const besideMs = Math.max(line.endMs, listeningMs ?? 0);
    line.add("program", reported("ready") ?? listeningMs);
    line.addBeside("rest-api", besideMs, reported("agent-listening"));
  }
  line.add("answer", answeredAtMs === undefined ? undefined : answeredAtMs - beganAtMs);
  return line.spans;
}

/** When a phase had ended; undefined when the time line does not have it. */
export function endOfPhase(spans: readonly BootSpan[], phase: BootPhase): number | undefined {
  return spans.find((span) => span.phase === phase)?.endMs;
}

/** A record may arrive late, but not early: the earliest zero that one of them tells is the best. */
function clockZero(arrivals: readonly PhaseArrival[]): number | undefined {
  if (arrivals.length === 0) return undefined;
  return Math.min(...arrivals.map(({ arrivedAtMs, uptimeMs }) => arrivedAtMs - uptimeMs));
}

/** Phases one after another; what is not known is passed over, and none ends before it begins. */
class TimeLine {
  readonly spans: BootSpan[] = [];
  endMs = 0;

  add(phase: BootPhase, endMs: number | undefined): void {
    this.addBeside(phase, this.endMs, endMs);
  }

  addBeside(phase: BootPhase, beginMs: number, endMs: number | undefined): void {
    if (endMs === undefined) return;
    const end = Math.max(beginMs, endMs);
    this.spans.push({ phase, beginMs, endMs: end });
    this.endMs = Math.max(this.endMs, end);
  }
}
