/** Waiting until a started machine is ready: its journal says so, the process table says if it never will. */
import { open, statfs } from "node:fs/promises";
import type { PhaseRecord } from "../../guest/api/journal.ts";
import { HostError } from "../errors.ts";
import type { InstanceFiles } from "./instance-files.ts";
import type { InstanceRecord } from "./instance-record.ts";
import { followJournal } from "./journal-file.ts";

/** A kernel with its modules, Node and the agent, under emulation on a busy host that may be emulated itself. */
export const READY_TIMEOUT_MS = 240_000;
/** A program that names no port and opens none in this time after the agent answers is no server. */
const LISTEN_GRACE_MS = 5_000;
const CONSOLE_TAIL_LINES = 12;
const CONSOLE_TAIL_BYTES = 16 * 1024;
/** Machines with less have been seen to end before the agent answers: DECISIONS.md. */
const SMALL_MEMORY_MIB = 128;

/**
 * - ready: the agent answers, the program's ports answer, its health check passes
 * - running: the agent answers; the program runs and has no port
 * - ended: the program has ended already, the machine with it or not
 */
export type Readiness = "ready" | "running" | "ended";

export interface ReadinessWait {
  /** Fulfilled when QEMU has ended. */
  readonly machineEnded: Promise<unknown>;
  readonly timeoutMs?: number | undefined;
  /** Told about every phase of the boot as it is reported. */
  readonly onPhase?: ((record: PhaseRecord) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * @throws {HostError} WL_BOOT_FAILED when the machine ended before the agent answered (its detail
 *   `isTooSmall` says that memory is why), WL_BOOT_TIMEOUT
 *   when it is neither ready nor at its end in time (it still runs then); or the signal's reason
 */
export async function waitReady(
  record: InstanceRecord,
  files: InstanceFiles,
  { machineEnded, timeoutMs = READY_TIMEOUT_MS, onPhase, signal }: ReadinessWait,
): Promise<Readiness> {
  const deadline = AbortSignal.timeout(timeoutMs);
  const grace = new AbortController();
  let graceTimer: NodeJS.Timeout | undefined;
  const stop = AbortSignal.any([deadline, grace.signal, ...(signal ? [signal] : [])]);
  const { ports, health } = record.options.program;
  const fromByte = record.launch?.journalOffset ?? 0;
  let programReady = false;
  let agentAnswers = false;
  let programEnded = false;
  try {
    const records = followJournal(files.journal, { fromByte, ended: machineEnded, signal: stop });
    for await (const entry of records) {
      if (entry.kind === "phase") onPhase?.(entry);
      if (entry.kind === "exit" && entry.final) programEnded = true;
      if (entry.kind === "phase" && entry.phase === "ready") programReady = true;
      if (entry.kind === "phase" && entry.phase === "agent-listening") agentAnswers = true;
      // A clone: its template was ready.
      if (entry.kind === "phase" && entry.phase === "woken") return "ready";
      if (programReady && agentAnswers) return "ready";
      if (programEnded && (agentAnswers || record.options.program.onExit === "poweroff"))
        return "ended";
      if (agentAnswers && ports.length === 0 && !health && !graceTimer) {
        graceTimer = setTimeout(() => grace.abort(), LISTEN_GRACE_MS);
      }
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (grace.signal.aborted) return "running";
    if (!deadline.aborted) throw error;
    throw await notReady(record, files, { timeoutMs, agentAnswers });
  } finally {
    clearTimeout(graceTimer);
  }
  if (programEnded) return "ended";
  throw await bootFailed(record, files);
}

async function notReady(
  record: InstanceRecord,
  files: InstanceFiles,
  { timeoutMs, agentAnswers }: { timeoutMs: number; agentAnswers: boolean },
): Promise<HostError> {
  const { name } = record;
  const seconds = timeoutMs / 1000;
  const what = agentAnswers
    ? `the agent of "${name}" answers, but its program is not ready after ${seconds} s`
    : `instance "${name}" did not answer in ${seconds} s`;
  const isSmall = record.options.memoryMib < SMALL_MEMORY_MIB;
  const more = `End it with "windlass rm -f ${name}" and give it more memory: -m ${SMALL_MEMORY_MIB}`;
  const see = isSmall ? more : `See the console: ${files.console}`;
  const look = agentAnswers ? `See "windlass logs ${name}"` : see;
  // Then the journal could not tell us.
  const next = (await isDiskFull(files)) ? `Free space on the disk of ${files.folder}` : look;
  const detail = { console: await consoleTail(files) };
  return new HostError("WL_BOOT_TIMEOUT", `Boot is not complete: ${what}`, { next, detail });
}

async function isDiskFull({ folder }: InstanceFiles): Promise<boolean> {
  const { bavail } = await statfs(folder);
  return bavail === 0;
}

async function bootFailed(record: InstanceRecord, files: InstanceFiles): Promise<HostError> {
  const console = await consoleTail(files);
  const { memoryMib } = record.options;
  const isMemory = /out of memory|Kernel panic.*memory|cannot allocate|\bOOM\b/i.test(console);
  const isTooSmall = isMemory || memoryMib < SMALL_MEMORY_MIB;
  const next = isTooSmall
    ? `Give it more memory: -m ${Math.max(SMALL_MEMORY_MIB, memoryMib * 2)}`
    : record.options.autoRemove
      ? "Run it again without --rm, which keeps its console and QEMU's log"
      : `See the console (${files.console}) and QEMU's log (${files.qemuLog})`;
  return new HostError(
    "WL_BOOT_FAILED",
    `Instance "${record.name}" ended while it booted with ${memoryMib} MiB of memory` +
      (console === "" ? "; its console is empty" : `; the end of its console:\n${indent(console)}`),
    { next, detail: { console, isTooSmall } },
  );
}

async function consoleTail({ console: path }: InstanceFiles): Promise<string> {
  const text = await textEnd(path).catch(() => "");
  // What a guest writes must not drive the terminal of whoever reads the error.
  const lines = text
    .replaceAll(/[^\x20-\x7e\n\t]/g, "")
    .trimEnd()
    .split("\n");
  return lines.slice(-CONSOLE_TAIL_LINES).join("\n");
}

/** The end of a file of any size: a guest may have written for days. */
async function textEnd(path: string): Promise<string> {
  await using file = await open(path, "r");
  const { size } = await file.stat();
  const bytes = Buffer.alloc(Math.min(size, CONSOLE_TAIL_BYTES));
  const { bytesRead } = await file.read(bytes, 0, bytes.length, size - bytes.length);
  return bytes.toString("latin1", 0, bytesRead);
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, "  ");
}
