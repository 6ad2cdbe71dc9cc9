/** What a trace asks for at most. Pure. */
import { FREE, type Trace } from "./trace.ts";

export interface TraceFacts {
  /** Ids, from 0 up. */
  readonly ids: number;
  /** When most bytes were alive: those that were asked for. */
  readonly requestedBytes: number;
  /** After how many operations that was, for the first time. */
  readonly peakOperation: number;
}

export function traceFacts({ length, operations, ids, sizes }: Trace): TraceFacts {
  const idCount = ids.reduce((most, id) => Math.max(most, id + 1), 0);
  const alive = new Uint32Array(idCount);
  let requestedNow = 0;
  let requestedBytes = 0;
  let peakOperation = 0;
  for (let at = 0; at < length; at += 1) {
    const id = ids[at] ?? 0;
    const size = operations[at] === FREE ? 0 : (sizes[at] ?? 0);
    requestedNow += size - (alive[id] ?? 0);
    alive[id] = size;
    if (requestedNow > requestedBytes) {
      requestedBytes = requestedNow;
      peakOperation = at + 1;
    }
  }
  return { ids: idCount, requestedBytes, peakOperation };
}
