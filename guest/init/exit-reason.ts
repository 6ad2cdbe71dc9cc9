/** Says in words why a program ended, where its exit status alone does not tell. Pure. */

export interface ProgramEnd {
  readonly pid: number;
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** The end of what it wrote to standard error. */
  readonly lastErrors: string;
  /** The kernel's log; asked only when the program was killed, or failed to write. */
  readonly kernelLog: () => string;
  readonly memoryMib: number;
}

/** undefined when the exit status says it all. */
export function exitReason(end: ProgramEnd): string | undefined {
  const remedy = `raise memory to ${nextMemoryMib(end.memoryMib)} MiB`;
  // mm/oom_kill.c: "Out of memory: Killed process 123 (node) ..." or "Memory cgroup out of memory: ..."
  const killed = new RegExp(`ut of memory: Killed process ${end.pid}\\b`);
  if (end.signal === "SIGKILL" && killed.test(end.kernelLog())) {
    return `Out of memory: the kernel killed the program; ${remedy}`;
  }
  // deps/v8/src/api/api.cc, Utils::ReportOOMFailure
  if (/JavaScript heap out of memory/.test(end.lastErrors)) {
    return `Out of memory: the program's JavaScript heap is full; ${remedy}`;
  }
  if (end.signal === null && end.exitCode === 0) return undefined;
  if (/EADDRINUSE.*:8000\b/.test(end.lastErrors)) {
    return "Port 8000 of the guest is the agent's; let the program listen on another one";
  }
  if (/\bENOMEM\b|Cannot allocate memory/.test(end.lastErrors)) {
    return `Out of memory: the kernel refused an allocation; ${remedy}`;
  }
  // block/blk-core.c, blk_print_req_error: QEMU refuses a write when the host's disk is full.
  if (/\b(EIO|EROFS)\b/.test(end.lastErrors) && /I\/O error, dev vdc\b/.test(end.kernelLog())) {
    return "The host could not read or write the scratch disk; check that the host's disk is not full";
  }
  return undefined;
}

/** The next sensible size: double, rounded up to 64 MiB. */
function nextMemoryMib(memoryMib: number): number {
  return Math.ceil((memoryMib * 2) / 64) * 64;
}

/** What V8 takes by itself: half of the machine's memory, but at least and at most this. */
const V8_DEFAULT_LEAST_MIB = 256;
const V8_DEFAULT_MOST_MIB = 2048;
/** Within this factor the default stands: under any V8 flag Node compiles its own library anew. */
const NEAR_ENOUGH = 1.5;

const HEAP_SHARE = 0.75;

/** V8's heap limit for a program that is a thread of the agent: that of its own heap, and no flag. */
export function threadHeapMib(availableMib: number): number {
  return Math.max(1, Math.floor(availableMib * HEAP_SHARE));
}

/**
 * V8's heap limit for a program in this machine: three quarters of what is available when it starts.
 *
 * @returns undefined where V8's own default is near enough, between some 400 MiB and 5 GiB
 */
export function heapLimitMib(totalMib: number, availableMib: number): number | undefined {
  const half = totalMib / 2;
  const byDefault = Math.min(Math.max(half, V8_DEFAULT_LEAST_MIB), V8_DEFAULT_MOST_MIB);
  const wanted = Math.floor(availableMib * HEAP_SHARE);
  const isNear = wanted < byDefault * NEAR_ENOUGH && byDefault < wanted * NEAR_ENOUGH;
  return isNear ? undefined : wanted;
}
