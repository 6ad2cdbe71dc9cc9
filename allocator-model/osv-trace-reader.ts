/**
 * Reads the memory events of OSv as its scripts/trace.py lists them (`trace.py list`): thread, its name, CPU,
 * time in seconds, tracepoint, its data (core/mempool.cc), backtrace:
 *
 *     0xffff800001a3c040 httpserver       1         3.141592654 memory_malloc_mempool buf=0x0000600001a3c400, req_len=24, alloc_len=32, align=16
 *     0xffff800001a3c040 httpserver       1         3.141592760 memory_malloc        buf=0x0000600001a3c400, len=24, align=16
 *     0xffff800001a3c040 httpserver       1         3.141601000 memory_free          buf=0x0000600001a3c400
 *
 * malloc writes an event for the region and one of its own: either is enough, both are one object.
 */
import { AddressTrace, type ReadTrace } from "./address-trace.ts";
import { addressKey, linesOf, readTraceOf } from "./trace-lines.ts";

const EVENT = /^0x[0-9a-f]+ .* (\d+) +\d+\.\d+ memory_(\w+) +(\S.*)$/;
const KINDS = ["malloc", "malloc_mempool", "malloc_page", "malloc_large", "free", "realloc"];
export const OSV_LINE =
  'the list of OSv\'s trace.py, with lines as "0xffff800001a3c040 main 0 1.000000000 memory_malloc buf=0x0000600001a3c400, len=24, align=16"';
/** Of max_align_t. */
const DEFAULT_ALIGNMENT = 16;

interface Event {
  readonly kind: string;
  readonly cpu: number;
  readonly data: string;
}

export function isOsvLine(line: string): boolean {
  return eventOf(line) !== undefined;
}

/** @throws {AllocatorError} WL_ALLOC_TRACE when no line of the text is a memory event */
export function readOsvTrace(text: string, name: string): ReadTrace {
  const reader = new OsvEvents();
  for (const line of linesOf(text)) {
    const event = eventOf(line);
    if (event) reader.take(event);
    else if (line !== "") reader.addresses.skipLine();
  }
  return readTraceOf(reader.addresses, { text, name, expected: OSV_LINE });
}

class OsvEvents {
  readonly addresses = new AddressTrace<string>();
  /** Objects whose region's event was seen, and malloc's own may follow. */
  readonly #announced = new Set<string>();

  take({ kind, cpu, data }: Event): void {
    if (kind === "realloc") this.#realloc(data, cpu);
    else if (kind === "free") this.#free(data, cpu);
    else this.#malloc(kind, data, cpu);
  }

  #malloc(kind: string, data: string, cpu: number): void {
    const isOwn = kind === "malloc";
    const address = addressField(data, "buf");
    const size = numberField(data, isOwn ? "len" : "req_len");
    if (size === undefined) {
      this.addresses.skipLine();
    } else if (address === undefined) {
      this.addresses.fail();
    } else if (!isOwn || !this.#announced.delete(address)) {
      if (!isOwn) this.#announced.add(address);
      this.addresses.allocate(address, { size, cpu, alignment: alignmentField(data, size) });
    }
  }

  #free(data: string, cpu: number): void {
    const address = addressField(data, "buf");
    if (address === undefined) return;
    this.#announced.delete(address);
    this.addresses.free(address, cpu);
  }

  /** It has called malloc and free by now; their events may have been left out of the list. */
  #realloc(data: string, cpu: number): void {
    const from = addressField(data, "in");
    const to = addressField(data, "out");
    const size = numberField(data, "newlen");
    const wasThere = from !== undefined && this.addresses.isAlive(from);
    if (size === undefined) {
      this.addresses.skipLine();
    } else if (to === undefined) {
      if (size > 0) this.addresses.fail();
      else if (wasThere) this.addresses.free(from, cpu);
    } else if (!this.addresses.isAlive(to)) {
      const id = wasThere ? this.addresses.beginRealloc(from) : undefined;
      this.addresses.endRealloc(id, to, { size, cpu });
    } else if (wasThere && from !== to) {
      this.addresses.free(from, cpu);
    }
  }
}

function eventOf(line: string): Event | undefined {
  const [, cpu, kind = "", data = ""] = EVENT.exec(line) ?? [];
  return cpu !== undefined && KINDS.includes(kind) ? { kind, cpu: Number(cpu), data } : undefined;
}

function addressField(data: string, name: string): string | undefined {
  return addressKey(fieldOf(data, name) ?? "");
}

function numberField(data: string, name: string): number | undefined {
  const text = fieldOf(data, name) ?? "";
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** @returns undefined for malloc's own alignment, which is at most the size rounded up to a power of two */
function alignmentField(data: string, size: number): number | undefined {
  const alignment = numberField(data, "align") ?? 1;
  return alignment <= DEFAULT_ALIGNMENT && alignment < 2 * Math.max(size, 1)
    ? undefined
    : alignment;
}

/** "24" for "len" of "buf=0x1, len=24, align=16   [0x3f00]" */
function fieldOf(data: string, name: string): string | undefined {
  for (const part of data.split(/,? +/)) {
    if (part.startsWith(`${name}=`)) return part.slice(name.length + 1);
  }
  return undefined;
}
