/**
 * The program's recent output. The oldest records make room when the limit is reached, so the memory
 * it takes is bounded whatever the program writes and however slowly anyone reads.
 */
import type { NoticeRecord, OutputRecord } from "../api/journal.ts";
import type { LogRecord } from "../api/logs.ts";

/** Bytes of output kept. */
export const LOG_BUFFER_BYTES = 1024 * 1024;
/** Bytes that may wait for one follower; a slower one is dropped with a notice. */
export const LOG_FOLLOWER_BYTES = 256 * 1024;
/** A record's cost beyond its text: the object and its place in the queue. */
const RECORD_OVERHEAD_BYTES = 64;

export interface LogQuery {
  /** Unix time in milliseconds; older records are left out. */
  readonly sinceMs?: number;
  /** Only the last that many records of those selected. */
  readonly tail?: number;
  readonly stream?: OutputRecord["stream"];
}

export interface LogBufferOptions {
  readonly capacityBytes?: number;
  readonly followerBytes?: number;
}

export class LogBuffer {
  readonly #capacityBytes: number;
  readonly #followerBytes: number;
  /** Live records are #records[#first..]; the emptied slots before are cut off now and then. */
  #records: (OutputRecord | undefined)[] = [];
  #first = 0;
  #sizeBytes = 0;
  #dropped = 0;
  readonly #listeners = new Set<(record: OutputRecord) => void>();

  constructor(options: LogBufferOptions = {}) {
    this.#capacityBytes = options.capacityBytes ?? LOG_BUFFER_BYTES;
    this.#followerBytes = options.followerBytes ?? LOG_FOLLOWER_BYTES;
  }

  /** What the kept records cost, never above the capacity. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Records that made room for newer ones since the start. */
  get droppedRecords(): number {
    return this.#dropped;
  }

  /** Adds a record. One that is larger than the whole buffer reaches the followers only. */
  push(record: OutputRecord): void {
    this.#records.push(record);
    this.#sizeBytes += costBytes(record);
    while (this.#sizeBytes > this.#capacityBytes) {
      this.#sizeBytes -= costBytes(this.#records[this.#first] as OutputRecord);
      this.#records[this.#first] = undefined;
      this.#first += 1;
      this.#dropped += 1;
    }
    if (this.#first > 1024 && this.#first * 2 > this.#records.length) {
      this.#records = this.#records.slice(this.#first);
      this.#first = 0;
    }
    for (const listener of this.#listeners) listener(record);
  }

  /** Forgets everything, as if nothing had been written. */
  clear(): void {
    this.#records = [];
    this.#first = this.#sizeBytes = this.#dropped = 0;
  }

  /** The kept records that the query selects, oldest first. */
  records(query: LogQuery = {}): OutputRecord[] {
    const selected: OutputRecord[] = [];
    for (let index = this.#first; index < this.#records.length; index += 1) {
      const record = this.#records[index] as OutputRecord;
      if (selects(query, record)) selected.push(record);
    }
    return query.tail === undefined
      ? selected
      : selected.slice(Math.max(0, selected.length - query.tail));
  }

  /** Calls the listener with every record to come. @returns the way to stop it */
  subscribe(listener: (record: OutputRecord) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * The selected records and then those to come, until the signal is aborted. What waits for a slow
   * reader is bounded; beyond the limit the reader gets a notice and the sequence ends.
   */
  async *follow(query: LogQuery, { signal }: { signal: AbortSignal }): AsyncGenerator<LogRecord> {
    const past = this.records(query);
    let waiting: OutputRecord[] = [];
    let waitingBytes = 0;
    let lost = 0;
    let wake: (() => void) | undefined;
    const unsubscribe = this.subscribe((record) => {
      if (!selects(query, record)) return;
      const cost = costBytes(record);
      if (lost > 0 || waitingBytes + cost > this.#followerBytes) {
        lost += 1;
      } else {
        waiting.push(record);
        waitingBytes += cost;
      }
      wake?.();
    });
    const onAbort = () => wake?.();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      yield* past;
      while (!signal.aborted) {
        const batch = waiting;
        waiting = [];
        waitingBytes = 0;
        yield* batch;
        if (lost > 0) {
          yield* waiting;
          yield tooSlow(lost);
          return;
        }
        if (waiting.length > 0 || signal.aborted) continue;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        wake = undefined;
      }
    } finally {
      unsubscribe();
      signal.removeEventListener("abort", onAbort);
    }
  }
}

function costBytes(record: OutputRecord): number {
  return Buffer.byteLength(record.text) + RECORD_OVERHEAD_BYTES;
}

function selects(query: LogQuery, record: OutputRecord): boolean {
  return (
    (query.stream === undefined || record.stream === query.stream) &&
    (query.sinceMs === undefined || record.timeMs >= query.sinceMs)
  );
}

function tooSlow(lost: number): NoticeRecord {
  return {
    kind: "notice",
    timeMs: Date.now(),
    level: "warning",
    text: `this reader is too slow: ${lost} records or more were not sent to it; read again`,
  };
}
