/** The host's end of the journal (guest/api/journal.ts): a file that QEMU appends to. */

import { type FSWatcher, watch } from "node:fs";
import { open } from "node:fs/promises";
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
  yield* followJournal(path, { fromByte, ended: Promise.resolve() });
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
  const { signal, ended } = options;
  await using file = await open(path, "r");
  // Watched before it is read: what is written in between wakes us.
  using watcher = watchFile(path);
  let isOver = false;
  void ended?.then(() => {
    isOver = true;
    watcher.wake();
  });
  const wake = (): void => watcher.wake();
  signal?.addEventListener("abort", wake);
  try {
    let position = options.fromByte ?? 0;
    let rest = Buffer.alloc(0);
    const buffer = Buffer.alloc(READ_BYTES);
    for (;;) {
      signal?.throwIfAborted();
      const last = isOver;
      const changed = watcher.changed();
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) {
        if (last) return;
        await changed;
        continue;
      }
      position += bytesRead;
      rest = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
        const record = parseRecord(rest.toString("utf8", 0, end));
        rest = rest.subarray(end + 1);
        if (record) yield record;
      }
      if (rest.length > LINE_BYTES_MAX) rest = Buffer.alloc(0);
    }
  } finally {
    signal?.removeEventListener("abort", wake);
  }
}

/** The last word on the program: undefined when the machine ended without one. */
export async function finalExit(path: string, fromByte: number): Promise<ExitRecord | undefined> {
  let last: ExitRecord | undefined;
  try {
    for await (const record of readJournal(path, fromByte)) {
      if (record.kind === "exit") last = record;
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
  if (typeof record["timeMs"] !== "number") return false;
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

function isExitStatus({ exitCode, signal }: Record<string, unknown>): boolean {
  return (
    (exitCode === null || Number.isInteger(exitCode)) &&
    (signal === null || typeof signal === "string")
  );
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
