/** The host's end of the journal (guest/api/journal.ts): a file that QEMU appends to. */

import { type FSWatcher, watch } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { ExitRecord, JournalRecord } from "../../guest/api/journal.ts";

const READ_BYTES = 64 * 1024;
/** A guest that never ends its line is not waited for. */
const LINE_BYTES_MAX = 16 * 1024 * 1024;

export interface FollowOptions {
  /** Position in the file to begin at. Default 0. */
  readonly fromByte?: number | undefined;
  /** Fulfilled when nobody will write any more: what is there is read to its end, then it is over. */
  readonly ended?: Promise<unknown> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The records there are. Lines that are none (a guest is not trusted) are passed over. */
export async function* readJournal(path: string, fromByte = 0): AsyncGenerator<JournalRecord> {
  await using file = await open(path, "r");
  const reader = new RecordReader(file, fromByte);
  for (let records = await reader.next(); records; records = await reader.next()) yield* records;
}

/**
 * The records there are and those to come, until `ended`. Without `ended`, until the signal.
 *
 * @throws the signal's reason
 */
export async function* followJournal(
  path: string,
  options: FollowOptions,
): AsyncGenerator<JournalRecord> {
  const { signal, ended, fromByte = 0 } = options;
  await using file = await open(path, "r");
  const reader = new RecordReader(file, fromByte);
  using watcher = watchFile(path);
  let isOver = false;
  void ended?.then(() => {
    isOver = true;
    watcher.wake();
  });
  const wake = (): void => watcher.wake();
  signal?.addEventListener("abort", wake);
  try {
    for (;;) {
      signal?.throwIfAborted();
      const last = isOver;
      // Begun before the read: what is written in between wakes us.
      const changed = watcher.changed();
      const records = await reader.next();
      if (records) yield* records;
      else if (last) return;
      else await changed;
    }
  } finally {
    signal?.removeEventListener("abort", wake);
  }
}

/** Cuts a growing file into records. */
class RecordReader {
  readonly #file: FileHandle;
  readonly #buffer = Buffer.alloc(READ_BYTES);
  #position: number;
  /** Of a line whose end has not been read. */
  #pieces: Buffer[] = [];
  #pieceBytes = 0;

  constructor(file: FileHandle, fromByte: number) {
    this.#file = file;
    this.#position = fromByte;
  }

  /** The records in the next bytes, perhaps none; undefined at the present end of the file. */
  async next(): Promise<JournalRecord[] | undefined> {
    const { length } = this.#buffer;
    const { bytesRead } = await this.#file.read(this.#buffer, 0, length, this.#position);
    if (bytesRead === 0) return undefined;
    this.#position += bytesRead;
    const bytes = this.#buffer.subarray(0, bytesRead);
    const records: JournalRecord[] = [];
    let start = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      const line = Buffer.concat([...this.#pieces, bytes.subarray(start, end)]);
      this.#forget();
      start = end + 1;
      const record = parseRecord(line.toString("utf8"));
      if (record) records.push(record);
    }
    this.#keep(bytes.subarray(start));
    return records;
  }

  #keep(piece: Buffer): void {
    this.#pieceBytes += piece.length;
    this.#pieces.push(Buffer.from(piece)); // The read buffer is used again.
    if (this.#pieceBytes > LINE_BYTES_MAX) this.#forget();
  }

  #forget(): void {
    this.#pieces = [];
    this.#pieceBytes = 0;
  }
}

/** The last word on the program: undefined when the machine ended while it ran. */
export async function finalExit(path: string, fromByte: number): Promise<ExitRecord | undefined> {
  let last: ExitRecord | undefined;
  try {
    for await (const record of readJournal(path, fromByte)) {
      if (record.kind === "exit") last = record;
      // It was started again: whatever ends it now, that exit does not tell.
      if (record.kind === "phase" && record.phase === "program-started") last = undefined;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  return last;
}

function parseRecord(line: string): JournalRecord | undefined {
  try {
    const value = JSON.parse(line);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Checks the members that the host relies on, by hand: this runs for every line of output. */
function isRecord(value: unknown): value is JournalRecord {
  if (typeof value !== "object" || value === null) return false;
  const record = value as Record<string, unknown>;
  if (!isTime(record["timeMs"])) return false;
  switch (record["kind"]) {
    case "output":
      return (
        typeof record["text"] === "string" &&
        (record["stream"] === "stdout" || record["stream"] === "stderr")
      );
    case "phase":
      return typeof record["phase"] === "string" && typeof record["uptimeMs"] === "number";
    case "exit":
      return typeof record["final"] === "boolean" && isExitStatus(record);
    case "notice":
      return typeof record["text"] === "string" && typeof record["level"] === "string";
    default:
      return false;
  }
}

/** Of a time that Date can show: ECMAScript, "Time Values and Time Range". */
function isTime(value: unknown): boolean {
  return typeof value === "number" && Math.abs(value) <= 8.64e15;
}

function isExitStatus({ exitCode, signal, reason }: Record<string, unknown>): boolean {
  return (
    (exitCode === null || isStatusByte(exitCode)) &&
    (signal === null || typeof signal === "string") &&
    (reason === null || typeof reason === "string")
  );
}

function isStatusByte(value: unknown): boolean {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 255;
}

interface FileWatcher extends Disposable {
  /** Fulfilled at the next change or `wake` after this call. */
  changed(): Promise<void>;
  wake(): void;
}

function watchFile(path: string): FileWatcher {
  const watcher: FSWatcher = watch(path, { persistent: true });
  let wake: () => void = () => undefined;
  watcher.on("change", () => wake());
  return {
    changed: () =>
      new Promise((resolve) => {
        wake = resolve;
      }),
    wake: () => wake(),
    [Symbol.dispose]: () => {
      watcher.close();
    },
  };
}
