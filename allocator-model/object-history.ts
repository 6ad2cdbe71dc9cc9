/** Which object of a trace was the last at a place. */
import { PHYSICAL_LIMIT } from "./address.ts";
import { PAGE_BYTES } from "./address-layout.ts";
import type { TraceRun } from "./replay.ts";
import { FREE, REALLOC, type Trace } from "./trace.ts";

/** Operations are numbered from 1. */
export interface LastObject {
  readonly id: number;
  readonly address: bigint;
  readonly requestedBytes: number;
  readonly usableBytes: number;
  /** The operation that made it, and its CPU. */
  readonly made: number;
  readonly madeOn: number;
  /** The operation that freed it; absent while it is there. */
  readonly freed?: number;
  readonly freedOn?: number;
}

/**
 * Goes on with a trace, and looks at places on the way.
 *
 * @param run at its begin; at `end` afterwards
 * @param places physical addresses
 * @returns for each place the object that was there last; undefined when there was none
 */
export function followPlaces(
  trace: Trace,
  run: TraceRun,
  end: number,
  places: readonly number[],
): (LastObject | undefined)[] {
  const last: (LastObject | undefined)[] = places.map(() => undefined);
  while (run.operation < Math.min(end, trace.length)) {
    const index = run.operation;
    run.step();
    const operation = trace.operations[index];
    const id = trace.ids[index] ?? 0;
    const cpu = trace.cpuOf[index] ?? 0;
    const address = run.addressOf(id);
    if (operation === FREE || operation === REALLOC) {
      for (const [number, object] of last.entries()) {
        if (object?.id !== id || object.freed !== undefined || object.address === address) continue;
        last[number] = { ...object, freed: run.operation, freedOn: cpu };
      }
    }
    // A realloc that failed changes nothing.
    if (operation === FREE || address === undefined) continue;
    for (const [number, place] of places.entries()) {
      const known = last[number];
      if (known?.address === address && known.freed === undefined) continue;
      const size = trace.sizes[index] ?? 0;
      const usableBytes = usableAt(run, address, size, place);
      if (usableBytes === undefined) continue;
      const made = run.operation;
      last[number] = { id, address, requestedBytes: size, usableBytes, made, madeOn: cpu };
    }
  }
  return last;
}

/** @returns usable bytes of an object that has the place; undefined when it has not */
function usableAt(run: TraceRun, address: bigint, size: number, place: number): number | undefined {
  const distance = place - Number(address & (PHYSICAL_LIMIT - 1n));
  // No object has more room than that: the next power of two, or the rest of a page.
  if (distance < 0 || distance >= size * 2 + PAGE_BYTES) return undefined;
  const usable = run.heap.usableBytes(address);
  return distance < usable ? usable : undefined;
}
