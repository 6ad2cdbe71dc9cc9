/** `windlass events`. */
import { TIMER_MS_MAX } from "../../../guest/api/program.ts";
import type { InstanceEvent } from "../../instance/event-log.ts";
import { isUp } from "../../instance/instance-state.ts";
import { Instances } from "../../instance/instances.ts";
import { followEvents, logSize, pastEvents } from "../event-follower.ts";
import type { Execute } from "../invocation.ts";
import { timeMs } from "../option-values.ts";
import { printableLine } from "../printable-text.ts";

export const execute: Execute<"events"> = async ({ options, output, signal }) => {
  const nowMs = Date.now();
  const sinceMs = options.since === undefined ? undefined : timeMs(options.since, nowMs);
  const untilMs = options.until === undefined ? Infinity : timeMs(options.until, nowMs);
  const instances = new Instances();
  const path = instances.eventLogPath;
  const print = async (event: InstanceEvent): Promise<void> => {
    await (options.json ? output.jsonLine(event) : output.print(`${eventLine(event)}\n`));
  };

  const fromByte = await logSize(path);
  // Ends that nobody has seen yet are recorded by looking.
  const running = (await instances.list()).filter(({ state }) => isUp(state));
  if (sinceMs !== undefined) {
    const past = await pastEvents(path);
    const known = past.filter((event) => event.timeMs >= sinceMs && event.timeMs <= untilMs);
    for (const event of known) await print(event);
  }
  if (untilMs <= nowMs) return 0;
  const followFrom = sinceMs === undefined ? fromByte : await logSize(path);

  const over = new AbortController();
  const stop = AbortSignal.any([signal, over.signal]);
  const timer =
    untilMs - nowMs < TIMER_MS_MAX ? setTimeout(() => over.abort(), untilMs - nowMs) : undefined;
  const watched = new Set<string>();
  // A machine's end is recorded by whoever sees it first: somebody has to look.
  const watchEnd = (id: string): void => {
    if (watched.has(id)) return;
    watched.add(id);
    instances
      .wait(id, { signal: stop })
      .catch(() => undefined)
      .finally(() => watched.delete(id));
  };
  for (const { record } of running) watchEnd(record.id);
  try {
    for await (const event of followEvents(path, followFrom, { signal: stop })) {
      if (event.event === "start") watchEnd(event.id);
      await print(event);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!over.signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
    over.abort();
  }
  return 0;
};

/** "2026-01-01T00:00:00.000Z die web 0123456789ab (image=hello:latest, exitCode=0)" */
function eventLine({ timeMs: at, event, id, name, image, exitCode }: InstanceEvent): string {
  const facts = [`image=${image}`, ...(exitCode === undefined ? [] : [`exitCode=${exitCode}`])];
  const time = new Date(at).toISOString();
  return printableLine(`${time} ${event} ${name} ${id} (${facts.join(", ")})`);
}
