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
  let rest = "";
  for (;;) {
    signal.throwIfAborted();
    const changed = wakeup.next();
    const text = await textFrom(path, position);
    if (text === undefined) {
      // Shorter than it was: begun anew.
      position = 0;
      rest = "";
      continue;
    }
    position += Buffer.byteLength(text);
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines.flatMap(parseEvent);
    if (text === "") await changed;
  }
}

export async function logSize(path: string): Promise<number> {
  return await stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

/** undefined when the file ends before that position. */
async function textFrom(path: string, position: number): Promise<string | undefined> {
  try {
    await using file = await open(path, "r");
    const { size } = await file.stat();
    if (size < position) return undefined;
    const bytes = Buffer.alloc(size - position);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, position);
    // Lines are ASCII or whole characters: a write appends a line at once.
    return bytes.toString("utf8", 0, bytesRead);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return position === 0 ? "" : undefined;
    throw error;
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
