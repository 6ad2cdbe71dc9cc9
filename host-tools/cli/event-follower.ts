/** Reads the event log (instance/event-log.ts) and follows it, also when it is begun anew. */
import { type FSWatcher, watch } from "node:fs";
import { mkdir, open, readFile, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { InstanceEvent } from "../instance/event-log.ts";

/** The events there are, those of the log before first. Lines that are none are passed over. */
export async function pastEvents(path: string): Promise<InstanceEvent[]> {
  const texts = await Promise.all([`${path}.1`, path].map((file) => textOf(file)));
  return texts.flatMap((text) => text.split("\n").flatMap(parseEvent));
}

/**
 * The events from a position of the log on, until the signal is aborted.
 *
 * @param fromByte position in the log as it is now
 * @throws the signal's reason
 */
export async function* followEvents(
  path: string,
  fromByte: number,
  { signal }: { readonly signal: AbortSignal },
): AsyncGenerator<InstanceEvent> {
  await mkdir(dirname(path), { recursive: true });
  using wakeup = new Wakeup(path, signal);
  let position = fromByte;
  for (;;) {
    signal.throwIfAborted();
    const changed = wakeup.next();
    const bytes = await bytesFrom(path, position);
    if (bytes === undefined) {
      position = 0; // Shorter than it was: begun anew.
      continue;
    }
    // What has no line end yet is read again with the rest of its line.
    const whole = bytes.subarray(0, bytes.lastIndexOf("\n") + 1);
    position += whole.length;
    yield* whole.toString("utf8").split("\n").flatMap(parseEvent);
    if (whole.length === 0) await changed;
  }
}

export async function logSize(path: string): Promise<number> {
  return await stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

/** undefined when the file ends before that position. */
async function bytesFrom(path: string, position: number): Promise<Buffer | undefined> {
  try {
    await using file = await open(path, "r");
    const { size } = await file.stat();
    if (size < position) return undefined;
    const bytes = Buffer.alloc(size - position);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, position);
    return bytes.subarray(0, bytesRead);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return position === 0 ? Buffer.alloc(0) : undefined;
  }
}

async function textOf(path: string): Promise<string> {
  return await readFile(path, "utf8").catch(() => "");
}

function parseEvent(line: string): InstanceEvent[] {
  try {
    const event = JSON.parse(line) as InstanceEvent;
    return typeof event.timeMs === "number" && typeof event.event === "string" ? [event] : [];
  } catch {
    return [];
  }
}

/** Tells of changes in the log's folder: the log itself may be replaced. */
class Wakeup implements Disposable {
  readonly #watcher: FSWatcher;
  readonly #signal: AbortSignal;
  #wake: () => void = () => {};
  readonly #onAbort = (): void => this.#wake();

  constructor(path: string, signal: AbortSignal) {
    const name = basename(path);
    this.#signal = signal;
    this.#watcher = watch(dirname(path), (_event, changed) => {
      if (changed === null || changed === name) this.#wake();
    });
    signal.addEventListener("abort", this.#onAbort);
  }

  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  [Symbol.dispose](): void {
    this.#watcher.close();
    this.#signal.removeEventListener("abort", this.#onAbort);
  }
}
