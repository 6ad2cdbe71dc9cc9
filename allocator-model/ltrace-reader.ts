/**
 * Reads what ltrace(1) writes of calls to the allocator, as of
 *
 *     ltrace -f -e malloc+free+calloc+realloc+posix_memalign+aligned_alloc -o FILE PROGRAM
 *
 *     27393 program->malloc(24)                              = 0x55797feae2a0
 *     27393 program->realloc(0x55797feae2a0, 200 <unfinished ...>
 *     27394 program->free(0x55797feae300)                    = <void>
 *     27393 <... realloc resumed> )                          = 0x55797feae400
 *
 * also with -t, -r, -T and -i, and where ltrace has no prototypes and prints more arguments than there are.
 * All processes are taken as threads of one. posix_memalign's object is not in the output: ltrace does not
 * follow the pointer; such a line is skipped.
 */
import { AddressTrace, type ReadTrace } from "./address-trace.ts";
import { addressKey, linesOf, readTraceOf, ThreadNumbers } from "./trace-lines.ts";

/** Process, time, address of the call; the call. */
const PREFIX = /^(?:\[pid +(\d+)\] +|(\d+) +)?(?:\d[\d:.]* +)?(?:\[0x[0-9a-f]+\] +)?/;
const FUNCTIONS = "malloc|calloc|realloc|free|aligned_alloc|memalign|valloc";
const CALL = new RegExp(`^(?:[^ (]+->)?(${FUNCTIONS})\\(([^()<>]*)(?:\\) += (\\S+)|(<unfin))`);
const RESUMED = new RegExp(`^<\\.\\.\\. (${FUNCTIONS}) resumed> .*?\\) += (\\S+)`);
/** A process ended, or got a signal. */
const EVENT = /^(?:\+\+\+|---) /;
export const LTRACE_LINE = 'the output of ltrace, with lines as "program->malloc(24) = 0x5579a2a0"';
const PAGE_BYTES = 4096;
/** In a thread, calls that have not returned: a signal's handler may call within a call. */
const OPEN_CALLS_MAX = 16;

interface Call {
  readonly name: string;
  readonly cpu: number;
  readonly values: readonly string[];
  /** Of a realloc: the object's. */
  readonly moving: number | undefined;
}

export function isLtraceLine(line: string): boolean {
  return CALL.test(line.replace(PREFIX, ""));
}

/** @throws {AllocatorError} WL_ALLOC_TRACE when no line of the text is a call */
export function readLtrace(text: string, name: string): ReadTrace {
  const calls = new LtraceCalls();
  for (const line of linesOf(text)) calls.take(line);
  return readTraceOf(calls.addresses, { text, name, expected: LTRACE_LINE });
}

class LtraceCalls {
  readonly addresses = new AddressTrace<string>();
  readonly #threads = new ThreadNumbers();
  /** Calls that have not returned yet, by thread. */
  readonly #open = new Map<number, Call[]>();

  take(line: string): void {
    const [prefix, shown, plain] = PREFIX.exec(line) ?? [""];
    const cpu = this.#threads.of(shown ?? plain ?? "");
    const rest = line.slice(prefix.length);
    const [, name, values = "", result, unfinished] = CALL.exec(rest) ?? [];
    if (name !== undefined) {
      const call = this.#begin(name, values.trim().split(/, */), cpu);
      if (result !== undefined) this.#end(call, result);
      else if (unfinished !== undefined) this.#keepOpen(call);
      return;
    }
    const [, resumed, later = ""] = RESUMED.exec(rest) ?? [];
    const open = this.#openOf(cpu);
    const at = open.findLastIndex((call) => call.name === resumed);
    const [call] = at < 0 ? [] : open.splice(at, 1);
    if (call) this.#end(call, later);
    else if (rest !== "" && !EVENT.test(rest)) this.addresses.skipLine();
  }

  /** The longest open one is given up for it: it may never return. */
  #keepOpen(call: Call): void {
    const open = this.#openOf(call.cpu);
    if (open.push(call) <= OPEN_CALLS_MAX) return;
    open.shift();
    this.addresses.skipLine();
  }

  #openOf(cpu: number): Call[] {
    const open = this.#open.get(cpu) ?? [];
    this.#open.set(cpu, open);
    return open;
  }

  /** What others may get from now on is free from now on. */
  #begin(name: string, values: readonly string[], cpu: number): Call {
    const address = addressKey(values[0] ?? "");
    let moving: number | undefined;
    if (name === "free" && address !== undefined) this.addresses.free(address, cpu);
    if (name === "realloc" && address !== undefined) moving = this.addresses.beginRealloc(address);
    return { name, cpu, values, moving };
  }

  #end(call: Call, result: string): void {
    const { name, cpu, moving } = call;
    if (name === "free") return;
    const request = requestOf(call);
    const address = addressKey(result);
    const size = request?.size ?? 0;
    if (request === undefined) {
      this.addresses.skipLine();
    } else if (name !== "realloc") {
      if (address === undefined) this.addresses.fail();
      else this.addresses.allocate(address, { ...request, cpu });
    } else if (address !== undefined) {
      this.addresses.endRealloc(moving, address, { size, cpu });
    } else if (size === 0) {
      this.addresses.endReallocAsFree(moving, cpu);
    } else {
      this.addresses.undoRealloc(moving, addressKey(call.values[0] ?? "") ?? "");
    }
  }
}

interface CallRequest {
  readonly size: number;
  readonly alignment?: number;
  readonly isZeroed?: boolean;
}

function requestOf({ name, values }: Call): CallRequest | undefined {
  const [first, second] = values.map(numberOf);
  switch (name) {
    case "malloc":
      return first === undefined ? undefined : { size: first };
    case "valloc":
      return first === undefined ? undefined : { size: first, alignment: PAGE_BYTES };
    case "realloc":
      return second === undefined ? undefined : { size: second };
  }
  if (first === undefined || second === undefined) return undefined;
  if (name === "calloc") return { size: first * second, isZeroed: true };
  return { size: second, alignment: first };
}

function numberOf(text: string): number | undefined {
  return /^(?:0x[0-9a-f]{1,16}|\d{1,20})$/.test(text) ? Number(text) : undefined;
}
