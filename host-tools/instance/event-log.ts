/**
 * What happened to the instances of this host, one JSON object a line. Every command that changes an
 * instance appends; no server is needed. Whoever first sees that a machine has ended writes its `die`.
 */
import { appendFile, mkdir, rename, stat } from "node:fs/promises";
import { dirname } from "node:path";

export type InstanceEventName =
  | "create"
  | "start"
  | "suspend"
  | "resume"
  | "stop"
  | "kill"
  | "die"
  | "destroy";

export interface InstanceEvent {
  /** Unix time in milliseconds, the host's clock. */
  readonly timeMs: number;
  readonly event: InstanceEventName;
  readonly id: string;
  readonly name: string;
  readonly image: string;
  /** Of die. */
  readonly exitCode?: number;
}

/** The log is begun anew at this size; the one before is kept as events.jsonl.1. */
const LOG_BYTES_MAX = 4 * 1024 * 1024;

/** Appends an event; one line is one write(2), which does not mix with others' (O_APPEND). */
export async function recordEvent(path: string, event: InstanceEvent): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size > LOG_BYTES_MAX) await rename(path, `${path}.1`).catch(() => undefined);
  await appendFile(path, `${JSON.stringify(event)}\n`, { mode: 0o600 });
}
